// A thread with the little stack that a host may have.
#pragma once

#include "corpus.h"

#include <pthread.h>

#include <exception>

namespace hostile {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStack = 1024 * 1024; // frames are several times as large with the sanitizers' margins in them
constexpr size_t kSlower = 7;          // and all takes so many times as long
#else
constexpr size_t kStack = 256 * 1024, kSlower = 1;
#endif

inline void on_small_stack(const std::function<void()>& body) {
    struct Call {
        const std::function<void()>& body;
        std::exception_ptr thrown;
    } call{body, nullptr};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    promise(pthread_attr_setstacksize(&attributes, kStack) == 0, "no thread of that stack");
    pthread_t thread;
    const auto start = [](void* data) -> void* {
        auto& inside = *static_cast<Call*>(data);
        try {
            inside.body();
        } catch (...) {
            inside.thrown = std::current_exception();
        }
        return nullptr;
    };
    promise(pthread_create(&thread, &attributes, start, &call) == 0, "no thread");
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    if (call.thrown) std::rethrow_exception(call.thrown);
}

} // namespace hostile
