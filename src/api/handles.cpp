#include "api/handles.h"

namespace steer {
namespace {

// The number: kind 4 bits | generation 28 | index + 1 32. No address that a host's own pointer can have begins with a kind.
constexpr uint64_t kAlive = uint64_t{1} << 32;
constexpr uint32_t kGenerationMask = (1u << 28) - 1;

uint32_t generation_of(uint64_t word) { return static_cast<uint32_t>(word >> 33); }
uint32_t pins_of(uint64_t word) { return static_cast<uint32_t>(word); }

} // namespace

uint64_t HandleTable::insert(std::shared_ptr<void> object) {
    end_left_objects();
    const std::lock_guard lock(mutex_);
    HandleSlot* slot = free_;
    if (slot != nullptr) {
        free_ = slot->next_left;
    } else {
        if (used_ == kChunk * kChunks) fail(STEER_ERR_STATE, "{} objects of one kind are alive: free some", used_);
        std::atomic<Chunk*>& chunk = chunks_[used_ / kChunk];
        if (chunk.load(std::memory_order_relaxed) == nullptr) chunk.store(new Chunk, std::memory_order_release);
        slot = &(*chunk.load(std::memory_order_relaxed))[used_ % kChunk];
        slot->index = used_++;
    }
    slot->generation = (slot->generation + 1) & kGenerationMask;
    slot->object = std::move(object);
    slot->word.store(static_cast<uint64_t>(slot->generation) << 33 | kAlive, std::memory_order_release);
    return kind_ << 60 | static_cast<uint64_t>(slot->generation) << 32 | (slot->index + 1);
}

HandleSlot* HandleTable::pin(uint64_t handle) noexcept {
    const auto place = static_cast<uint32_t>(handle);
    if (handle >> 60 != kind_ || place == 0 || place > kChunk * kChunks) return nullptr;
    Chunk* chunk = chunks_[(place - 1) / kChunk].load(std::memory_order_acquire);
    if (chunk == nullptr) return nullptr;
    HandleSlot* slot = &(*chunk)[(place - 1) % kChunk];
    const uint32_t generation = static_cast<uint32_t>(handle >> 32) & kGenerationMask;
    uint64_t word = slot->word.load(std::memory_order_acquire);
    do {
        if ((word & kAlive) == 0 || generation_of(word) != generation) return nullptr;
    } while (!slot->word.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    return slot;
}

void HandleTable::unpin(HandleSlot* slot) noexcept {
    const uint64_t before = slot->word.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & kAlive) == 0 && pins_of(before) == 1) end_object(slot);
    end_left_objects();
}

void HandleTable::unpin_in_signal(HandleSlot* slot) noexcept {
    const uint64_t before = slot->word.fetch_sub(1, std::memory_order_acq_rel);
    if ((before & kAlive) != 0 || pins_of(before) != 1) return;
    slot->next_left = left_.load(std::memory_order_relaxed);
    while (!left_.compare_exchange_weak(slot->next_left, slot, std::memory_order_acq_rel)) {}
}

bool HandleTable::remove(HandleSlot* slot) noexcept {
    return (slot->word.fetch_and(~kAlive, std::memory_order_acq_rel) & kAlive) != 0;
}

bool HandleTable::alive(const HandleSlot* slot) noexcept {
    return (slot->word.load(std::memory_order_acquire) & kAlive) != 0;
}

void HandleTable::end_object(HandleSlot* slot) noexcept {
    slot->object.reset(); // outside of the lock: it may free others
    const std::lock_guard lock(mutex_);
    slot->next_left = free_;
    free_ = slot;
}

void HandleTable::end_left_objects() noexcept {
    if (left_.load(std::memory_order_relaxed) == nullptr) return;
    HandleSlot* slot = left_.exchange(nullptr, std::memory_order_acq_rel);
    while (slot != nullptr) {
        HandleSlot* next = slot->next_left;
        end_object(slot);
        slot = next;
    }
}

// Never destroyed: nothing of ours runs at exit, and a host's last thread may still call in.
HandleTable& model_handles() {
    static HandleTable* const table = new HandleTable(0xa);
    return *table;
}
HandleTable& vector_handles() {
    static HandleTable* const table = new HandleTable(0xb);
    return *table;
}
HandleTable& session_handles() {
    static HandleTable* const table = new HandleTable(0xc);
    return *table;
}

} // namespace steer
