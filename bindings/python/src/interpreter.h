// How the module lives with the interpreter: the lock is let go in every call of the library, and nothing of ours touches the
// interpreter once it ends.
#pragma once

#include <pybind11/pybind11.h>

#include <steer/steer.hpp>

namespace steer_python {

namespace py = pybind11;

// Without the interpreter's lock while it lives. A thread that comes back when the interpreter is ending stops here for good:
// taking the lock would end it in the middle of C++ frames, and with it the process.
class Unlocked {
  public:
    Unlocked();
    ~Unlocked();
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

  private:
    PyThreadState* state_;
};

template<class Body> auto unlocked(Body&& body) {
    const Unlocked scope;
    return body();
}

// The lock, taken in a callback of the library.
class Locked {
  public:
    Locked() : state_(PyGILState_Ensure()) {}
    ~Locked() { PyGILState_Release(state_); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    PyGILState_STATE state_;
};

bool must_stop() noexcept; // the interpreter is ending and this is not its main thread: go back to where Unlocked waits

// Sessions whose calls are cancelled when the interpreter ends. By handle: one that was freed is found out by the library.
void remember(steer_session* session);
void forget(steer_session* session);

void refuse_subinterpreter();
void bind_interpreter(py::module_& module);

} // namespace steer_python
