// What the library says to a host that asked for it (steer_log_set); silent otherwise.
#pragma once

#include "steer/steer.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace steer {

// When it returns, the function set before will not be called again.
void set_log(steer_log_fn fn, void* user, int32_t level);

bool log_wanted(int32_t level);
void write_log(int32_t level, const std::string& text);

// log(STEER_LOG_WARN, "{}: no fingerprint", path)
template<class... Args>
void log(int32_t level, fmt::format_string<Args...> format, Args&&... args) {
    if (log_wanted(level)) write_log(level, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace steer
