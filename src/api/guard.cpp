#include "api/guard.h"

#include "files/error.h"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <new>

namespace steer {
namespace {

std::atomic<pid_t> user_process{0}; // the one that first called in

// Cut where a character begins.
size_t fitting_size(const char* words, size_t room) {
    size_t size = std::strlen(words);
    if (size <= room) return size;
    size = room;
    while (size > 0 && (static_cast<unsigned char>(words[size]) & 0xc0) == 0x80) size--;
    return size;
}

} // namespace

steer_status report(steer_error* err, steer_status status, const char* words) noexcept {
    if (err == nullptr) return status;
    const size_t size = fitting_size(words, sizeof err->message - 1);
    err->status = status;
    std::memcpy(err->message, words, size);
    std::memset(err->message + size, 0, sizeof err->message - size);
    return status;
}

steer_status report_exception(steer_error* err) noexcept {
    try {
        throw;
    } catch (const Error& error) {
        return report(err, error.status(), error.what());
    } catch (const std::bad_alloc&) {
        return report(err, STEER_ERR_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return report(err, STEER_ERR_INTERNAL, error.what());
    } catch (...) {
        return report(err, STEER_ERR_INTERNAL, "unknown failure");
    }
}

void refuse_throw() {
    try {
        throw;
    } catch (const std::exception& thrown) {
        fail(STEER_ERR_INTERNAL, "the host's callback threw, which it must not: {}", thrown.what());
    } catch (...) {
        fail(STEER_ERR_INTERNAL, "the host's callback threw, which it must not");
    }
}

bool is_forked_child() noexcept {
    const pid_t now = getpid();
    pid_t first = 0;
    return !user_process.compare_exchange_strong(first, now) && first != now;
}

void check_process() {
    if (is_forked_child())
        fail(STEER_ERR_STATE, "this process was forked from one that uses libsteer: only the parent may go on with it");
}

} // namespace steer
