#include "files/utf8.h"

#include <cstring>

namespace steer {
namespace {

// Skips ASCII eight bytes at a time.
const char* skip_ascii(const char* at, const char* end) {
    while (end - at >= 8) {
        uint64_t eight;
        std::memcpy(&eight, at, 8);
        if (eight & 0x8080808080808080u) break;
        at += 8;
    }
    while (at < end && static_cast<unsigned char>(*at) < 0x80) ++at;
    return at;
}

} // namespace

Utf8Char decode_utf8(const char* at, const char* end) {
    auto byte = [&](int i) { return static_cast<uint8_t>(at[i]); };
    uint8_t first = byte(0);
    if (first < 0x80) return {first, 1, Utf8Char::Good};
    if (first < 0xC2 || first > 0xF4) return {0, 1, Utf8Char::Bad};
    uint8_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    // The second byte has a narrower range where longer forms, surrogates or codes above 10FFFF would begin.
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    uint32_t code = first & (0x7Fu >> size);
    for (uint8_t i = 1; i < size; ++i) {
        if (at + i == end) return {0, i, Utf8Char::Cut};
        if (byte(i) < low || byte(i) > high) return {0, i, Utf8Char::Bad};
        code = code << 6 | (byte(i) & 0x3F);
        low = 0x80, high = 0xBF;
    }
    return {code, size, Utf8Char::Good};
}

void append_utf8(uint32_t code, std::string& out) {
    auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
    if (code < 0x10000) return put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
}

bool is_valid_utf8(std::string_view text) {
    const char *at = text.data(), *end = at + text.size();
    while ((at = skip_ascii(at, end)) < end) {
        Utf8Char c = decode_utf8(at, end);
        if (c.kind != Utf8Char::Good) return false;
        at += c.size;
    }
    return true;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const char *at = text.data(), *end = at + text.size();
    while (at < end) {
        const char* plain = skip_ascii(at, end);
        out.append(at, plain);
        if ((at = plain) == end) break;
        Utf8Char c = decode_utf8(at, end);
        if (c.kind == Utf8Char::Good) {
            out.append(at, c.size);
        } else {
            out += replacement_character;
        }
        at += c.size;
    }
    return out;
}

size_t count_characters(std::string_view text) {
    size_t count = 0;
    for (char byte : text) count += !is_utf8_tail(byte);
    return count;
}

} // namespace steer
