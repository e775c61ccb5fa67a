#include "errors.h"

#include "interpreter.h"

namespace steer_python {

py::object make_error(const steer_error& error) {
    const Inside inside;
    const py::object words = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(error.message, static_cast<py::ssize_t>(std::strlen(error.message)), "replace"));
    return py::module_::import("steer.errors").attr("make")(error.status, steer::status_name(error.status), words);
}

void bind_errors(py::module_&) {
    py::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const steer::Exception& exception) {
            const py::object error = make_error(exception.error());
            PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr());
        }
    });
}

} // namespace steer_python
