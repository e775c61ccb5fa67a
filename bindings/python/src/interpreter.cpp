#include "interpreter.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

namespace steer_python {
namespace {

using std::chrono::steady_clock;

struct Interpreter {
    std::atomic<bool> ending{false};
    std::atomic<bool> forked{false}; // this is the child
    std::atomic<int> calls{0}; // into C++ that Inside is around, in all threads
    std::atomic<unsigned long> main_thread{0};
    std::mutex mutex; // of sessions
    std::set<steer_session*> sessions;
};

Interpreter& interpreter() {
    static Interpreter* const one = new Interpreter; // never destroyed: threads of the host may outlive static objects
    return *one;
}

// In the child of a fork there is one thread, which is the main one now, and none of the calls that others had made.
void before_fork() { interpreter().mutex.lock(); }
void after_fork() { interpreter().mutex.unlock(); }
void after_fork_in_child() {
    interpreter().mutex.unlock();
    interpreter().calls = 0;
    interpreter().forked = true;
    interpreter().main_thread = PyThread_get_thread_ident();
}

thread_local int depth = 0; // this thread's share of calls

[[noreturn]] void stop_for_good() {
    interpreter().calls -= depth;
    while (true) pause();
}

// Runs at exit, before the interpreter begins to end: daemon threads inside of the library are called back, those that
// arrive from now on are kept from the lock.
void end() {
    Interpreter& self = interpreter();
    self.ending = true;
    {
        const std::lock_guard lock(self.mutex);
        for (steer_session* const session : self.sessions) steer_session_cancel(session, 0);
    }
    const py::gil_scoped_release release;
    const auto patience = steady_clock::now() + std::chrono::seconds(10); // for a callback of the host that does not return
    while (self.calls > 0 && steady_clock::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

} // namespace

Inside::Inside() {
    if (must_stop()) {
        PyEval_SaveThread();
        stop_for_good();
    }
    interpreter().calls++;
    depth++;
}

Inside::~Inside() {
    interpreter().calls--;
    depth--;
}

Unlocked::Unlocked() : state_(PyEval_SaveThread()) {}

Unlocked::~Unlocked() {
    if (must_stop()) stop_for_good();
    PyEval_RestoreThread(state_);
}

bool is_forked_child() noexcept { return interpreter().forked; }

bool must_stop() noexcept {
    const Interpreter& self = interpreter();
    return self.ending && PyThread_get_thread_ident() != self.main_thread;
}

void remember(steer_session* session) {
    const std::lock_guard lock(interpreter().mutex);
    interpreter().sessions.insert(session);
}

void forget(steer_session* session) {
    const std::lock_guard lock(interpreter().mutex);
    interpreter().sessions.erase(session);
}

void bind_interpreter(py::module_& module) {
    interpreter().main_thread = py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
    pthread_atfork(before_fork, after_fork, after_fork_in_child);
    py::module_::import("atexit").attr("register")(py::cpp_function(end));
    module.def("_calls", [] { return interpreter().calls.load(); }, "Calls of the library that run now, in all threads.");
}

} // namespace steer_python
