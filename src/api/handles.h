// Handles: what a host holds is a number in the shape of a pointer, an index into a table with a generation that changes
// when the object is freed. A freed, foreign or invented handle is found out and never followed.
//
// A call pins its handle: the object lives until the last pin is gone, wherever it is freed meanwhile. Pinning takes no lock
// and no memory, so that it can be done in a signal handler.
#pragma once

#include "files/error.h"
#include "run/session.h"
#include "steer/steer.h"
#include "steer/vector.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace steer {

struct HandleSlot {
    // generation 28 bits | alive 1 | pins 32
    std::atomic<uint64_t> word{0};
    std::shared_ptr<void> object; // set before it is alive, dropped by whoever removes the last pin after it was freed
    uint32_t generation = 0;      // of the object to come, under the table's mutex
    uint32_t index = 0;
    HandleSlot* next_left = nullptr;
};

class HandleTable {
  public:
    explicit constexpr HandleTable(uint64_t kind) : kind_(kind) {}

    uint64_t insert(std::shared_ptr<void> object);
    HandleSlot* pin(uint64_t handle) noexcept;        // nullptr: no such object (any more)
    void unpin(HandleSlot* slot) noexcept;
    void unpin_in_signal(HandleSlot* slot) noexcept;  // leaves an object that ends to the next call
    bool remove(HandleSlot* slot) noexcept;           // pinned; false: somebody else did
    static bool alive(const HandleSlot* slot) noexcept;

  private:
    static constexpr size_t kChunk = 256, kChunks = 4096;
    using Chunk = std::array<HandleSlot, kChunk>;

    void end_object(HandleSlot* slot) noexcept;
    void end_left_objects() noexcept;

    const uint64_t kind_;
    std::array<std::atomic<Chunk*>, kChunks> chunks_{}; // never freed: a stale handle may always be looked up
    std::atomic<HandleSlot*> left_{nullptr};
    std::mutex mutex_;
    uint32_t used_ = 0;
    HandleSlot* free_ = nullptr; // by next_left
};

HandleTable& model_handles();
HandleTable& vector_handles();
HandleTable& session_handles();

// A handle held for the length of a call.
template<class Object, class Opaque, HandleTable& (*table)(), bool in_signal = false> class Pinned {
  public:
    Pinned(const Opaque* handle, const char* name)
        : Pinned(handle) {
        if (slot_ != nullptr) return;
        if (handle == nullptr) fail(STEER_ERR_ARG, "{} is NULL", name);
        fail(STEER_ERR_ARG, "{} is not a live handle: it was freed, or never was one", name);
    }
    explicit Pinned(const Opaque* handle) noexcept : slot_(table().pin(reinterpret_cast<uintptr_t>(handle))) {}
    Pinned(Pinned&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
    ~Pinned() {
        if (slot_ == nullptr) return;
        if constexpr (in_signal) table().unpin_in_signal(slot_);
        else table().unpin(slot_);
    }

    explicit operator bool() const { return slot_ != nullptr; }
    Object* get() const { return static_cast<Object*>(slot_->object.get()); }
    Object* operator->() const { return get(); }
    Object& operator*() const { return *get(); }
    std::shared_ptr<Object> share() const { return std::static_pointer_cast<Object>(slot_->object); }
    bool alive() const { return HandleTable::alive(slot_); }
    bool remove() { return table().remove(slot_); }

  private:
    HandleSlot* slot_;
};

using PinnedModel = Pinned<Model, steer_model, model_handles>;
using PinnedVector = Pinned<const Vector, steer_vector, vector_handles>;
using PinnedSession = Pinned<Session, steer_session, session_handles>;
using SignalPinnedSession = Pinned<Session, steer_session, session_handles, true>;

template<class Opaque> Opaque* make_handle(HandleTable& table, std::shared_ptr<void> object) {
    return reinterpret_cast<Opaque*>(static_cast<uintptr_t>(table.insert(std::move(object))));
}
inline steer_model* to_handle(std::shared_ptr<Model> model) {
    return make_handle<steer_model>(model_handles(), std::move(model));
}
inline steer_vector* to_handle(VectorPtr vector) {
    return make_handle<steer_vector>(vector_handles(), std::const_pointer_cast<Vector>(std::move(vector)));
}
inline steer_session* to_handle(std::shared_ptr<Session> session) {
    return make_handle<steer_session>(session_handles(), std::move(session));
}

} // namespace steer
