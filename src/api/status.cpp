// Chapters 1 to 3 of the header: version, status, what is process-wide.
#include "api/args.h"
#include "api/guard.h"
#include "run/log.h"

#include <atomic>
#include <mutex>

using namespace steer;

namespace {

// One text for each thing there is to say, kept for good: a host may hold the pointer.
const char* keep_text(std::string text) {
    struct Kept {
        std::mutex mutex;
        std::string texts[4];
    };
    static Kept* const kept = new Kept;
    const std::lock_guard lock(kept->mutex);
    for (std::string& known : kept->texts) {
        if (known == text) return known.c_str();
        if (known.empty()) return (known = std::move(text)).c_str();
    }
    return kept->texts[0].c_str();
}

} // namespace

extern "C" {

uint32_t steer_version(void) { return STEER_VERSION; }

const char* steer_build_info(void) {
    const char* text = "libsteer";
    guard_void([&] {
        text = keep_text(fmt::format("libsteer {}.{}.{}, {}; {}", STEER_VERSION_MAJOR, STEER_VERSION_MINOR,
                                     STEER_VERSION_PATCH, STEER_COMPILER, backend_build_info()));
    });
    return text;
}

const char* steer_status_name(steer_status status) {
    switch (status) {
    case STEER_OK: return "STEER_OK";
    case STEER_ERR_ARG: return "STEER_ERR_ARG";
    case STEER_ERR_STATE: return "STEER_ERR_STATE";
    case STEER_ERR_BUSY: return "STEER_ERR_BUSY";
    case STEER_ERR_BUFFER: return "STEER_ERR_BUFFER";
    case STEER_ERR_CONTEXT_FULL: return "STEER_ERR_CONTEXT_FULL";
    case STEER_ERR_MISMATCH: return "STEER_ERR_MISMATCH";
    case STEER_ERR_UNSUPPORTED: return "STEER_ERR_UNSUPPORTED";
    case STEER_ERR_IO: return "STEER_ERR_IO";
    case STEER_ERR_FORMAT: return "STEER_ERR_FORMAT";
    case STEER_ERR_MEMORY: return "STEER_ERR_MEMORY";
    case STEER_ERR_DEVICE_MEMORY: return "STEER_ERR_DEVICE_MEMORY";
    case STEER_ERR_DEVICE: return "STEER_ERR_DEVICE";
    case STEER_ERR_DEVICE_LOST: return "STEER_ERR_DEVICE_LOST";
    case STEER_ERR_NUMERIC: return "STEER_ERR_NUMERIC";
    case STEER_ERR_CANCELLED: return "STEER_ERR_CANCELLED";
    case STEER_ERR_INTERNAL: return "STEER_ERR_INTERNAL";
    default: return "unknown status";
    }
}

void steer_log_set(steer_log_fn fn, void* user, int32_t level) {
    guard_void([&] { set_log(fn, user, level); });
}

steer_status steer_threads_set(int32_t intra_op, int32_t inter_op, steer_error* err) {
    return guard(err, [&] {
        static std::atomic<bool> called{false};
        check_int(intra_op, 0, 4096, "intra_op");
        check_int(inter_op, 0, 4096, "inter_op");
        if (called.load()) fail(STEER_ERR_STATE, "steer_threads_set was called before: once, before the first model");
        set_backend_threads(intra_op, inter_op);
        called.store(true);
    });
}

} // extern "C"
