// Python's idea of white space.
#pragma once

#include <cstdint>
#include <string_view>

namespace steer::jinja {

bool is_space(uint32_t code);                        // str.isspace of one character
size_t leading_space(std::string_view text);         // bytes
std::string_view strip_right(std::string_view text); // str.rstrip()

} // namespace steer::jinja
