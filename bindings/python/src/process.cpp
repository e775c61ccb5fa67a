// Chapters 1 to 3 of the header.
#include "names.h"
#include "objects.h"

namespace steer_python {
namespace {

// The log's function belongs to the process and may be called while the interpreter ends: never destroyed, read with the lock.
py::object& log_function() {
    static auto* const function = new py::object;
    return *function;
}

void write_log(void*, int32_t level, const char* text, size_t size) {
    if (must_stop() || Py_IsInitialized() == 0) return;
    const Locked locked;
    const py::object function = log_function();
    if (!function) return;
    try {
        function(name_of(kLogLevels, level), to_text({text, size}));
    } catch (py::error_already_set& error) {
        error.discard_as_unraisable("steer.set_log"); // there is nobody to tell
    }
}

void set_log(const py::object& function, const std::string& level) {
    const int32_t least = value_of("level", kLogLevels, level);
    log_function() = function.is_none() ? py::object() : function;
    unlocked([&] { steer_log_set(function.is_none() ? nullptr : write_log, nullptr, least); });
}

void set_threads(int32_t intra_op, int32_t inter_op) {
    unlocked([&] { steer::set_threads(intra_op, inter_op); });
}

} // namespace

void bind_process(py::module_& module) {
    module.def("version", [] { return steer::version(); });
    module.def("build_info", [] { return unlocked([] { return std::string(steer::build_info()); }); });
    module.def("status_name", [](int32_t status) { return steer::status_name(status); }, py::arg("status"));
    module.def("set_log", set_log, py::arg("function"), py::arg("level"));
    module.def("set_threads", set_threads, py::arg("intra_op"), py::arg("inter_op"));
}

} // namespace steer_python
