// Normalisation form C, in linear time.
#pragma once

#include <string>
#include <string_view>

namespace steer {

bool is_nfc_quickly(std::string_view text); // of well-formed text; false: it may still be NFC
std::string to_nfc(std::string_view text);  // of well-formed text

} // namespace steer
