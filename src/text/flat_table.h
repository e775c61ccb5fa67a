// Open-addressing hash table from 64-bit keys to small values: one cache line per look-up, most of the time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace steer {

template<class Value>
class FlatTable {
  public:
    explicit FlatTable(size_t expected = 0) { rebuild(std::bit_ceil(expected * 2 + 16)); }

    // Replaces what was there. The key ~0 is reserved.
    void set(uint64_t key, const Value& value) {
        if ((count_ + 1) * 4 > slots_.size() * 3) grow();
        Slot& slot = slots_[place(key)];
        count_ += slot.key == empty;
        slot = {key, value};
    }
    const Value* find(uint64_t key) const {
        const Slot& slot = slots_[place(key)];
        return slot.key == key ? &slot.value : nullptr;
    }

  private:
    static constexpr uint64_t empty = ~uint64_t{0};
    struct Slot {
        uint64_t key = empty;
        Value value{};
    };

    size_t place(uint64_t key) const {
        uint64_t hash = key * 0x9E3779B97F4A7C15u;
        size_t at = (hash ^ hash >> 32) >> 7 & mask_;
        while (slots_[at].key != key && slots_[at].key != empty) at = (at + 1) & mask_;
        return at;
    }
    void rebuild(size_t capacity) {
        slots_.assign(capacity, Slot{});
        mask_ = capacity - 1;
    }
    void grow() {
        std::vector<Slot> old = std::move(slots_);
        rebuild(old.size() * 2);
        for (const Slot& slot : old) {
            if (slot.key != empty) slots_[place(slot.key)] = slot;
        }
    }

    std::vector<Slot> slots_;
    size_t mask_ = 0, count_ = 0;
};

} // namespace steer
