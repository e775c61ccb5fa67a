#include "objects.h"

// pybind11's own way in takes the main interpreter's lock, for which a subinterpreter would wait for ever: ours comes first.
#define PyInit__steer steer_init_in_main_interpreter
PYBIND11_MODULE(_steer, module) {
    using namespace steer_python;
    if (!steer::version_fits())
        throw py::import_error("libsteer is of version " + std::to_string(steer_version()) + ", this module was built for " +
                               std::to_string(STEER_VERSION) + ": install both from one build");
    module.doc() = "libsteer's C interface, function by function; the package steer is what to use.";
    bind_interpreter(module);
    bind_errors(module);
    bind_process(module);
    bind_model(module);
    bind_vector(module);
    bind_step(module);
    bind_session(module);
}
#undef PyInit__steer

extern "C" PYBIND11_EXPORT PyObject* PyInit__steer() {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) return steer_init_in_main_interpreter();
    PyErr_SetString(PyExc_ImportError,
                    "steer cannot be imported in a subinterpreter: the models and callbacks of libsteer belong to the whole "
                    "process and know one interpreter's lock. Use a thread, or another process");
    return nullptr;
}
