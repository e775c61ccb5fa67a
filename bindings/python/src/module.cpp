#include "objects.h"

PYBIND11_MODULE(_steer, module) {
    using namespace steer_python;
    refuse_subinterpreter();
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
