// Text from a file inside an error message: cut to a bearable length, nothing in it that a terminal would obey.
#pragma once

#include <string>
#include <string_view>

namespace steer {

std::string quote(std::string_view text, size_t longest = 48); // 'text' with its quotes

} // namespace steer
