// A Python function of a fraction, as steer.hpp calls it: what it raises comes out of the call, a true answer stops it, and so
// does an interrupt from the keyboard.
#pragma once

#include "interpreter.h"

namespace steer_python {

// fn: None, or the function; it must outlive the progress.
inline steer::Progress progress_of(const py::object& fn) {
    return [&fn](float fraction) {
        if (must_stop()) return steer::Flow::stop;
        const Locked locked;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        return !fn.is_none() && py::bool_(fn(fraction)) ? steer::Flow::stop : steer::Flow::go_on;
    };
}

} // namespace steer_python
