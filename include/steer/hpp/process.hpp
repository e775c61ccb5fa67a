// Chapters 1 to 3: version, status, what is process-wide.
#pragma once

#include "enums.hpp"

#include <functional>
#include <mutex>
#include <string_view>

namespace steer::inline STEER_HPP_MODE {

inline uint32_t version() noexcept { return steer_version(); }
inline bool version_fits() noexcept { // in 0.x a new minor version may change the interface
    constexpr uint32_t shared_digits = STEER_VERSION_MAJOR == 0 ? 1000 : 1000000;
    return steer_version() / shared_digits == STEER_VERSION / shared_digits;
}
inline std::string_view build_info() { return steer_build_info(); }
inline const char* status_name(steer_status status) noexcept { return steer_status_name(status); }

// Libtorch's threads, process-wide: once, before the first model.
inline Returned<void> set_threads(int32_t intra_op, int32_t inter_op) {
    steer_error err{};
    steer_threads_set(intra_op, inter_op, &err);
    return detail::give(err);
}

using LogFunction = std::function<void(LogLevel, std::string_view)>; // what it throws is dropped: there is nobody to tell

namespace detail {

struct LogSink {
    std::mutex mutex; // of who sets, never held by who writes
    LogFunction* function = nullptr;

    static LogSink& one() {
        static LogSink* const sink = new LogSink; // never destroyed: somebody may write a line while the program ends
        return *sink;
    }
    static bool& writing() noexcept {
        thread_local bool inside = false;
        return inside;
    }
    static void write(void* user, int32_t level, const char* text, size_t size) {
        steer_error nobody{};
        writing() = true;
        attempt(nobody, [&] { (*static_cast<LogFunction*>(user))(static_cast<LogLevel>(level), {text, size}); });
        writing() = false;
    }
};

} // namespace detail

// One for the process; an empty function: silence. The former one is done for good on return. Does nothing inside of it.
inline void set_log(LogFunction function, LogLevel level = LogLevel::warn) {
    if (detail::LogSink::writing()) return;
    detail::LogSink& sink = detail::LogSink::one();
    LogFunction* const next = function ? new LogFunction(std::move(function)) : nullptr;
    const std::lock_guard lock(sink.mutex);
    steer_log_set(next == nullptr ? nullptr : detail::LogSink::write, next, static_cast<int32_t>(level));
    delete std::exchange(sink.function, next);
}

} // namespace steer::inline STEER_HPP_MODE
