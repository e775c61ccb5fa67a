# The products, as a host finds them: the version a library carries, where it looks for others, what is installed.
include(CMakePackageConfigHelpers)

add_library(steer::steer ALIAS steer)

# In 0.x a new minor version may change the interface, so it is part of the name that the loader asks for.
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
else()
    set(soversion ${PROJECT_VERSION_MAJOR})
endif()
set_target_properties(steer PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${soversion})
target_include_directories(steer PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS steer EXPORT steer
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/steer DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# libsteer_torch stands beside libsteer under one plain name: it is loaded by path, never linked, and a build sum ties the two.
if(TARGET steer_torch)
    set(STEER_INSTALL_TORCH_RPATH "${STEER_TORCH_RPATH}" CACHE STRING "Where the installed libsteer_torch looks for libtorch")
    set_target_properties(steer_torch PROPERTIES
        BUILD_RPATH "${STEER_TORCH_RPATH}" INSTALL_RPATH "${STEER_INSTALL_TORCH_RPATH}")
    install(TARGETS steer_torch LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/steer-config.cmake.in ${PROJECT_BINARY_DIR}/steer-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/steer)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/steer-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT steer NAMESPACE steer:: FILE steer-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/steer)
install(FILES ${PROJECT_BINARY_DIR}/steer-config.cmake ${PROJECT_BINARY_DIR}/steer-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/steer)

# From lib/pkgconfig two folders up; from lib/ARCHITECTURE/pkgconfig three.
file(RELATIVE_PATH STEER_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/steer.pc.in ${PROJECT_BINARY_DIR}/steer.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/steer.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
