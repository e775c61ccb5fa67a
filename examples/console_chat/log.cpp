#include "log.h"

#include <cstdio>
#include <mutex>
#include <utility>

#include "steer/steer.h"
#include "width.h"

namespace chat {

namespace {

std::mutex lock;
std::vector<std::string> kept;
std::function<void()> kept_one;

void print(const std::string& text) { std::fprintf(stderr, "steer_chat: warning: %s\n", text.c_str()); }

} // namespace

void log_start() {
    steer_log_set(
        [](void*, int32_t, const char* text, size_t size) {
            log_warning({text, size});
        },
        nullptr, STEER_LOG_WARN);
}

void log_warning(const std::string& text) {
    const std::lock_guard guard(lock);
    if (!kept_one) {
        print(printable(text));
        return;
    }
    kept.push_back(printable(text));
    kept_one();
}

void log_keep(std::function<void()> on_new) {
    const std::lock_guard guard(lock);
    kept_one = std::move(on_new);
    if (kept_one) return;
    for (const std::string& text : kept) print(text);
    kept.clear();
}

std::vector<std::string> log_take() {
    const std::lock_guard guard(lock);
    return std::exchange(kept, {});
}

} // namespace chat
