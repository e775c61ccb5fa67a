// The one exception that libsteer throws inside itself. src/api turns it into a status and words at the C door.
#pragma once

#include "steer/steer.h"

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

namespace steer {

class Error : public std::exception {
  public:
    Error(steer_status status, std::string message) : status_(status), message_(std::move(message)) {}

    steer_status status() const noexcept { return status_; }
    const char* what() const noexcept override { return message_.c_str(); }

  private:
    steer_status status_;
    std::string message_;
};

// fail(STEER_ERR_FORMAT, "{}: header says {} bytes, the file has {}", path, said, size)
// The words name the file, the field and the fix.
template<class... Args>
[[noreturn]] void fail(steer_status status, fmt::format_string<Args...> format, Args&&... args) {
    throw Error(status, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace steer
