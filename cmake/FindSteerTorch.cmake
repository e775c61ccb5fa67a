# libtorch from the folder of a torch wheel (or an unpacked libtorch), without find_package(Torch): that one demands a CUDA
# toolkit wherever the wheel was built with CUDA, although its CPU half needs none.
#
#   STEER_TORCH_ROOT   the folder that holds include/ and lib/. Empty: the environment that ./run makes (build/env), then
#                      the torch of the python3 on the path.
#
# Gives the target steer_libtorch (headers, definitions, libraries) and the variables SteerTorch_FOUND, STEER_TORCH_VERSION,
# STEER_TORCH_LIBRARY_DIR and STEER_TORCH_RPATH (what a library that links it needs as RPATH).
#
# Linked are libc10.so and libtorch_cpu.so: torch::jit, autograd and the CPU operators are all in the latter, and
# libtorch.so is an empty shell around it. libtorch_cpu.so of the CUDA wheel itself needs libcudart and libcupti, which it
# finds through its own RPATH beside the wheel; nothing here names them. The CUDA half, libtorch_cuda.so, is never linked:
# src/torch/device.cpp loads it when a CUDA device is first asked for, so that one build serves machines with and without.

if(NOT STEER_TORCH_ROOT)
    file(GLOB candidates ${PROJECT_SOURCE_DIR}/build/env/lib/python3*/site-packages/torch)
    if(NOT candidates)
        find_program(STEER_PYTHON3 python3)
        if(STEER_PYTHON3)
            # Only looked up, not imported: an import of torch takes seconds.
            execute_process(COMMAND ${STEER_PYTHON3} -c
                "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
                OUTPUT_VARIABLE candidates OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        endif()
    endif()
    list(LENGTH candidates count)
    if(count GREATER 0)
        list(GET candidates 0 STEER_TORCH_ROOT)
    endif()
endif()
set(STEER_TORCH_ROOT "${STEER_TORCH_ROOT}" CACHE PATH "Folder of libtorch: it holds include/ and lib/")

set(STEER_TORCH_LIBRARY_DIR ${STEER_TORCH_ROOT}/lib)
set(STEER_TORCH_VERSION "")
set(header ${STEER_TORCH_ROOT}/include/torch/headeronly/version.h)
if(EXISTS ${header})
    file(STRINGS ${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
    string(REGEX REPLACE "[^0-9;]+" "" numbers "${lines}")
    string(REPLACE ";" "." STEER_TORCH_VERSION "${numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_file(STEER_TORCH_SCRIPT_HEADER torch/script.h PATHS ${STEER_TORCH_ROOT}/include NO_CACHE NO_DEFAULT_PATH)
find_file(STEER_TORCH_CPU_LIBRARY libtorch_cpu.so PATHS ${STEER_TORCH_LIBRARY_DIR} NO_CACHE NO_DEFAULT_PATH)
find_file(STEER_TORCH_C10_LIBRARY libc10.so PATHS ${STEER_TORCH_LIBRARY_DIR} NO_CACHE NO_DEFAULT_PATH)
mark_as_advanced(STEER_PYTHON3)
find_package_handle_standard_args(SteerTorch
    REQUIRED_VARS STEER_TORCH_ROOT STEER_TORCH_SCRIPT_HEADER STEER_TORCH_CPU_LIBRARY STEER_TORCH_C10_LIBRARY
    VERSION_VAR STEER_TORCH_VERSION
    REASON_FAILURE_MESSAGE "set STEER_TORCH_ROOT to a folder with include/ and lib/ of libtorch, or call ./run build")

if(SteerTorch_FOUND AND NOT TARGET steer_libtorch)
    # One std::string on both sides of the calls: wheels before 2.6 used the older one and would fail at link time, or later.
    file(STRINGS ${STEER_TORCH_C10_LIBRARY} new_abi REGEX "__cxx11" LIMIT_COUNT 1)
    if(NOT new_abi)
        message(FATAL_ERROR "${STEER_TORCH_ROOT} was built with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0); take torch 2.6 or newer")
    endif()

    add_library(steer_libtorch INTERFACE)
    target_include_directories(steer_libtorch SYSTEM INTERFACE
        ${STEER_TORCH_ROOT}/include ${STEER_TORCH_ROOT}/include/torch/csrc/api/include)
    target_compile_definitions(steer_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
    target_link_libraries(steer_libtorch INTERFACE ${STEER_TORCH_CPU_LIBRARY} ${STEER_TORCH_C10_LIBRARY})

    # Beside itself first, so that a host can ship libtorch next to libsteer_torch; then where it was built against.
    # The wheel's CUDA runtime lies in a folder of its own; our CUDA kernels link it too.
    file(GLOB runtime ${STEER_TORCH_ROOT}/../nvidia/cu[0-9]*/lib)
    set(STEER_TORCH_RPATH "$ORIGIN" ${STEER_TORCH_LIBRARY_DIR} ${runtime})
endif()
