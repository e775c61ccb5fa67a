#include "files/base64.h"

#include <cstdint>

namespace steer {
namespace {

int digit(char c) { // -1: none
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

} // namespace

bool decode_base64(std::string_view text, std::string& out) {
    if (text.size() % 4 != 0) return false;
    out.clear();
    out.reserve(text.size() / 4 * 3);
    for (size_t at = 0; at < text.size(); at += 4) {
        const bool last = at + 4 == text.size();
        const size_t padding = !last || text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; ++i) {
            const int value = i < 4 - padding ? digit(text[at + i]) : 0;
            if (value < 0) return false;
            bits = bits << 6 | static_cast<uint32_t>(value);
        }
        if ((bits & ((1u << (8 * padding)) - 1)) != 0)
            return false; // bits that no byte has: another text for the same bytes
        for (size_t i = 0; i < 3 - padding; ++i) out += static_cast<char>(bits >> (16 - 8 * i));
    }
    return true;
}

} // namespace steer
