// What one rendering may spend, and how it says what went wrong.
#pragma once

#include "files/error.h"
#include "text/jinja/value.h"

#include <string>

namespace steer::jinja {

inline constexpr size_t fuel_max = 1000000;         // steps; one for each node visited, and for each 64 bytes moved or kept
inline constexpr size_t text_max = size_t{4} << 20; // bytes of any text, the output included
inline constexpr size_t range_max = 100000;
inline constexpr uint32_t recursion_max = 256;

class Runtime {
  public:
    explicit Runtime(const std::string& name) : name_(name) {}

    int line = 0; // of what is being computed

    void charge(size_t steps) {
        if (steps > fuel_) error("the template does more than {} steps", fuel_max);
        fuel_ -= steps;
    }
    void charge_items(size_t count) { charge(count / 2 + 1); } // a list of so many values: 24 bytes each
    // Looking for a name among so many: most differ in their length or their first bytes, but need not.
    void charge_search(size_t count, size_t name_size) { charge(count / 8 * (name_size / 64 + 1)); }
    void charge_text(size_t bytes) { // work on a text of that size
        if (bytes > text_max) error("a text of more than {} bytes", text_max);
        charge(bytes / 64 + 1);
    }
    template<class... Args>
    [[noreturn]] void error(fmt::format_string<Args...> format, Args&&... args) const {
        fail(STEER_ERR_ARG, "{}: line {}: {}", name_, line, fmt::format(format, std::forward<Args>(args)...));
    }
    [[noreturn]] void unsupported(const std::string& what) const {
        fail(STEER_ERR_UNSUPPORTED, "{}: line {}: {} is not supported in chat templates", name_, line, what);
    }

  private:
    const std::string& name_;
    size_t fuel_ = fuel_max;
};

} // namespace steer::jinja
