// The door: every extern "C" body runs inside guard(), where exceptions end and become a status and words.
#pragma once

#include "steer/steer.h"

namespace steer {

// The exception being handled, written for the caller.
steer_status report_exception(steer_error* err) noexcept;
steer_status report(steer_error* err, steer_status status, const char* words) noexcept;

// STEER_ERR_STATE in a child of fork(): threads and devices of the parent did not come along.
void check_process();
bool is_forked_child() noexcept;

template<class Body> steer_status guard(steer_error* err, Body&& body) noexcept {
    try {
        check_process();
        body();
        return report(err, STEER_OK, "");
    } catch (...) {
        return report_exception(err);
    }
}

// A host's callback, which must return: what it throws ends the call that it was made from, with one status.
[[noreturn]] void refuse_throw();
template<class Call> auto call_host(Call&& call) {
    try {
        return call();
    } catch (...) {
        refuse_throw();
    }
}

// For functions that return nothing.
template<class Body> void guard_void(Body&& body) noexcept {
    try {
        if (!is_forked_child()) body();
    } catch (...) {
        report_exception(nullptr); // an init or free that ran out of memory leaves its work undone
    }
}

} // namespace steer
