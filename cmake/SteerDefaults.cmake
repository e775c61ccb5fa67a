# What every target of ours is compiled with.
include(GNUInstallDirs)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Products side by side, as they are installed: libsteer finds libsteer_torch next to itself.
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(STEER_CCACHE ccache)
if(STEER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${STEER_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${STEER_CCACHE})
endif()

add_library(steer_flags INTERFACE)
target_compile_options(steer_flags INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers)
# g++ 12 sees overlapping copies and unset characters inside its own std::string (GCC bugs 105651, 105562).
target_compile_options(steer_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(STEER_WERROR)
    target_compile_options(steer_flags INTERFACE -Werror $<$<CXX_COMPILER_ID:GNU>:-Wno-error=maybe-uninitialized>)
endif()
if(STEER_SANITIZE)
    target_compile_options(steer_flags INTERFACE -fsanitize=${STEER_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
    target_link_options(steer_flags INTERFACE -fsanitize=${STEER_SANITIZE})
endif()

# One static library per folder of src/: steer_part(text SOURCES a.cpp b.cpp LINK steer_files)
# Only what is named under LINK can be included, so data flows one way.
function(steer_part name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_library(steer_${name} STATIC ${ARG_SOURCES})
    target_include_directories(steer_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_compile_definitions(steer_${name} PRIVATE STEER_BUILDING)
    target_link_libraries(steer_${name} PUBLIC ${ARG_LINK} PRIVATE steer_flags)
endfunction()

# One Catch2 executable per folder: steer_test(text SOURCES ... LINK steer_text)
function(steer_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_executable(test_${name} ${ARG_SOURCES})
    target_link_libraries(test_${name} PRIVATE steer_catch_main steer_flags ${ARG_LINK})
    target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

# What libsteer compares before it uses anything of libsteer_torch: C++ types cross between the two, so the headers that
# describe them, the compiler and its settings must be the same. The sum changes only when one of these does.
file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/model/*.h ${PROJECT_SOURCE_DIR}/src/steer/*.h
                                    ${PROJECT_SOURCE_DIR}/src/files/*.h ${PROJECT_SOURCE_DIR}/include/steer/*.h)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
set(sums "${PROJECT_VERSION};${CMAKE_CXX_COMPILER_ID};${CMAKE_CXX_COMPILER_VERSION};${CMAKE_CXX_FLAGS};${STEER_SANITIZE}")
foreach(header ${headers})
    file(SHA256 ${header} sum)
    list(APPEND sums ${sum})
endforeach()
string(SHA256 sum "${sums}")
string(SUBSTRING ${sum} 0 16 sum)
add_library(steer_build_id INTERFACE)
target_compile_definitions(steer_build_id INTERFACE STEER_BUILD_ID="${PROJECT_VERSION}-${sum}")
