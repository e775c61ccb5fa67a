#include "files/quote.h"

#include <fmt/format.h>

namespace steer {
namespace {

// Bytes of the well-formed, printable UTF-8 character at the front; 0 where there is none.
size_t printable(std::string_view text) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    const unsigned a = byte(0), b = byte(1);
    if (a < 0x80) return a >= 0x20 && a != 0x7f ? 1 : 0;
    if (a == 0xc2 && b < 0xa0) return 0; // C1 controls
    if (a >= 0xc2 && a <= 0xdf) return follows(1) ? 2 : 0;
    if (a >= 0xe0 && a <= 0xef) {
        if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b >= 0xa0)) return 0; // overlong; surrogates
        return follows(1) && follows(2) ? 3 : 0;
    }
    if (a >= 0xf0 && a <= 0xf4) {
        if ((a == 0xf0 && b < 0x90) || (a == 0xf4 && b >= 0x90)) return 0; // overlong; beyond U+10FFFF
        return follows(1) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

} // namespace

std::string quote(std::string_view text, size_t longest) {
    std::string out = "'";
    for (size_t at = 0; at < text.size();) {
        if (at >= longest) return out + "...'";
        const size_t n = printable(text.substr(at));
        if (n > 0)
            out += text.substr(at, n);
        else
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
        at += n > 0 ? n : 1;
    }
    return out + "'";
}

} // namespace steer
