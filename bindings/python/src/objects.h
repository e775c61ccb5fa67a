// What the module's classes hold, and the conversions that several of them need.
#pragma once

#include "errors.h"
#include "interpreter.h"

#include <pybind11/numpy.h>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace steer_python {

// An owner of steer.hpp that never changes, so that threads may share it: close frees what the handle stands for, and the
// library refuses the dead handle from then on.
template<class Owner, auto free_object> class Held {
  public:
    explicit Held(Owner owner) : owner_(std::move(owner)) {}
    ~Held() {
        close();
        owner_.release();
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    Owner& operator*() { return owner_; }
    Owner* operator->() { return &owner_; }
    bool closed() const { return closed_; }
    void close() { // never fails: it is called where nothing can be raised
        if (must_stop() || closed_.exchange(true)) return;
        const Unlocked scope;
        free_object(owner_.get());
    }

  private:
    Owner owner_;
    std::atomic<bool> closed_{false};
};

using ModelObject = Held<steer::Model, steer_model_free>;
using VectorObject = Held<steer::Vector, steer_vector_free>;
using AdapterObject = Held<steer::Adapter, steer_adapter_free>;

struct SessionObject {
    explicit SessionObject(steer::Session made) : held(std::move(made)), handle(held->get()) { remember(handle); }
    ~SessionObject() { forget(handle); }

    Held<steer::Session, steer_session_free> held;
    steer_session* const handle;
    std::atomic<bool> conversing{false}; // what a step points to lives until the session's next conversation call
    py::object observer;                 // read and written with the interpreter's lock
    std::exception_ptr raised;           // by the observer, in the call that runs

    steer::Session& operator*() { return *held; }
    steer::Session* operator->() { return &*held; }
};

// One call on a session's conversation, from before it until its results are copied.
class Conversation {
  public:
    explicit Conversation(SessionObject& session) : session_(session), mine_(!session.conversing.exchange(true)) {
        if (!mine_ && !is_forked_child()) throw Failure(STEER_ERR_BUSY, "another thread is at work on this session's conversation");
    }
    ~Conversation() {
        if (mine_) session_.conversing = false;
    }
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;
    void rethrow_observed() { // at the end of a call that computes
        if (session_.raised) std::rethrow_exception(std::exchange(session_.raised, nullptr));
    }

  private:
    SessionObject& session_;
    const bool mine_;
};

template<class T> py::array_t<T> to_array(const T* values, size_t count) {
    return py::array_t<T>(static_cast<py::ssize_t>(count), values);
}
template<class T> py::array_t<T> to_array(const std::vector<T>& values) { return to_array(values.data(), values.size()); }

using TokenArray = py::array_t<int32_t, py::array::c_style | py::array::forcecast>;
using MarkArray = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;
template<class Array> auto to_span(const Array& array) {
    return std::span(array.data(), static_cast<size_t>(array.size()));
}

inline py::str to_text(std::string_view text) {
    return py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

inline py::bytes fingerprint(const uint8_t (&bytes)[32]) { return {reinterpret_cast<const char*>(bytes), sizeof bytes}; }

void bind_process(py::module_& module);
void bind_model(py::module_& module);
void bind_vector(py::module_& module);
void bind_step(py::module_& module);
void bind_session(py::module_& module);
void bind_controls(py::class_<SessionObject>& session);
void bind_unstable(py::module_& module, py::class_<SessionObject>& session);

} // namespace steer_python
