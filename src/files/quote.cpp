#include "files/quote.h"

#include <fmt/format.h>

namespace steer {

std::string quote(std::string_view text, size_t longest) {
    const bool cut = text.size() > longest;
    if (cut) {
        text = text.substr(0, longest);
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
        if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
    }
    std::string out = "'";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    return out + (cut ? "...'" : "'");
}

} // namespace steer
