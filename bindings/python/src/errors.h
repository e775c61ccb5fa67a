// A failure of ours in the library's own form, and how both reach Python.
#pragma once

#include <pybind11/pybind11.h>

#include <steer/steer.hpp>

#include <cstdio>

namespace steer_python {

namespace py = pybind11;

class Failure : public steer::Exception {
  public:
    Failure(steer_status status, const char* words) : Exception(make(status, words)) {}

  private:
    static steer_error make(steer_status status, const char* words) {
        steer_error error{};
        error.status = status;
        std::snprintf(error.message, sizeof error.message, "%s", words);
        return error;
    }
};

py::object make_error(const steer_error& error); // an exception object of the class that steer/errors.py has for the status
void bind_errors(py::module_& module);

} // namespace steer_python
