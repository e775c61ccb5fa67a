// How the module lives with the interpreter: the lock is let go in every call of the library, and nothing of ours touches the
// interpreter once it ends.
#pragma once

#include <pybind11/pybind11.h>

#include <steer/steer.hpp>

namespace steer_python {

namespace py = pybind11;

// Around what runs Python below frames of C++. The interpreter does not end meanwhile; once it is ending, a thread that gets
// here stops for good: Python would end it in the middle of those frames, and with it the process.
class Inside {
  public:
    Inside();
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
};

// The same, without the interpreter's lock while it lives.
class Unlocked {
  public:
    Unlocked();
    ~Unlocked();
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

  private:
    const Inside inside_;
    PyThreadState* const state_;
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

bool is_forked_child() noexcept; // the library refuses every call there
bool must_stop() noexcept; // the interpreter is ending and this is not its main thread: go back to where Unlocked ends

// Sessions whose calls are cancelled when the interpreter ends. By handle: one that was freed is found out by the library.
void remember(steer_session* session);
void forget(steer_session* session);

void bind_interpreter(py::module_& module);

} // namespace steer_python
