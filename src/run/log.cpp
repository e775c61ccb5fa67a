#include "run/log.h"

#include <atomic>
#include <mutex>

namespace steer {
namespace {

struct Sink {
    std::mutex mutex; // held while the host's function runs, so that set_log can promise its end
    steer_log_fn fn = nullptr;
    void* user = nullptr;
};

Sink& sink() {
    static Sink* const one = new Sink; // never destroyed: nothing of ours runs at exit
    return *one;
}

std::atomic<int32_t> wanted_level{-1};
thread_local bool inside_log = false; // a host's log function may cause another line: that one is dropped

} // namespace

void set_log(steer_log_fn fn, void* user, int32_t level) {
    if (inside_log) return; // would wait for itself; the header forbids it
    const std::lock_guard lock(sink().mutex);
    sink().fn = fn;
    sink().user = user;
    wanted_level.store(fn == nullptr ? -1 : level, std::memory_order_relaxed);
}

bool log_wanted(int32_t level) { return level <= wanted_level.load(std::memory_order_relaxed) && !inside_log; }

void write_log(int32_t level, const std::string& text) {
    const std::lock_guard lock(sink().mutex);
    if (sink().fn == nullptr) return;
    inside_log = true;
    try {
        sink().fn(sink().user, level, text.data(), text.size());
    } catch (...) { // it must not; what the library was doing goes on all the same
    }
    inside_log = false;
}

} // namespace steer
