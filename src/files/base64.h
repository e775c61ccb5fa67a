// Base64 (RFC 4648), with padding and nothing but its alphabet.
#pragma once

#include <string>
#include <string_view>

namespace steer {

bool decode_base64(std::string_view text, std::string& out); // false: it is none

} // namespace steer
