// UTF-8, byte by byte. What is ill-formed is cut as Unicode 3.9 (U+FFFD substitution of maximal subparts) says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steer {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD"; // U+FFFD

struct Utf8Char {
    enum Kind : uint8_t { Good, Bad, Cut }; // Cut: the text ends in the middle of a character that is good so far
    uint32_t code;
    uint8_t size; // bytes of the character, or of the ill-formed part; at least 1
    Kind kind;
};

Utf8Char decode_utf8(const char* at, const char* end); // at < end

// For text that is known to be well-formed.
inline uint32_t decode_valid_utf8(const char*& at) {
    auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i])); };
    uint32_t first = byte(0);
    if (first < 0x80) return at += 1, first;
    if (first < 0xE0) {
        uint32_t code = (first & 0x1F) << 6 | (byte(1) & 0x3F);
        return at += 2, code;
    }
    if (first < 0xF0) {
        uint32_t code = (first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
        return at += 3, code;
    }
    uint32_t code = (first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    return at += 4, code;
}

inline bool is_utf8_tail(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

void append_utf8(uint32_t code, std::string& out);
bool is_valid_utf8(std::string_view text);
std::string replace_invalid_utf8(std::string_view text); // as Python's decode(errors="replace")
size_t count_characters(std::string_view text);          // of well-formed text

} // namespace steer
