#include "heap.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> now{0}, peak{0};

void* take(size_t size, size_t alignment) {
    void* memory = alignment == 0 ? std::malloc(size == 0 ? 1 : size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    const uint64_t taken = now.fetch_add(malloc_usable_size(memory)) + malloc_usable_size(memory);
    uint64_t seen = peak.load();
    while (seen < taken && !peak.compare_exchange_weak(seen, taken)) {}
    return memory;
}

void give(void* memory) noexcept {
    if (memory == nullptr) return;
    now.fetch_sub(malloc_usable_size(memory));
    std::free(memory);
}

} // namespace

void* operator new(size_t size) { return take(size, 0); }
void* operator new[](size_t size) { return take(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) { return take(size, static_cast<size_t>(alignment)); }
void* operator new[](size_t size, std::align_val_t alignment) { return take(size, static_cast<size_t>(alignment)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
    try {
        return take(size, 0);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
void operator delete(void* memory) noexcept { give(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { give(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { give(memory); }
void operator delete[](void* memory) noexcept { give(memory); }
void operator delete(void* memory, size_t) noexcept { give(memory); }
void operator delete[](void* memory, size_t) noexcept { give(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { give(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { give(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { give(memory); }

namespace hostile {

uint64_t heap_now() { return now.load(); }

HeapPeak::HeapPeak() : begin_(now.load()) { peak.store(begin_); }
uint64_t HeapPeak::bytes() const { return peak.load() - begin_; }

} // namespace hostile
