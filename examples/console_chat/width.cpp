#include "width.h"

#include <algorithm>

#include "width_table.h"

namespace chat {

namespace {

constexpr char32_t replacement = 0xFFFD;

bool contains(std::span<const CodeRange> table, char32_t c) {
    auto after = std::upper_bound(table.begin(), table.end(), c,
                                  [](char32_t value, const CodeRange& range) { return value < range.first; });
    return after != table.begin() && c <= std::prev(after)->last;
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

// Also the characters that reorder or hide what follows: a reply must not be able to disguise the screen.
bool is_unsafe(char32_t c) {
    return is_control(c) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

} // namespace

char32_t next_character(std::string_view text, std::size_t& at) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at++);
    if (lead < 0x80) return lead;
    const int more = lead >= 0xF0 && lead < 0xF5   ? 3
                     : lead >= 0xE0 && lead < 0xF0 ? 2
                     : lead >= 0xC2 && lead < 0xE0 ? 1
                                                   : 0;
    if (more == 0 || at + static_cast<std::size_t>(more) > text.size()) return replacement;
    char32_t c = lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) {
        const unsigned char next = byte(at + static_cast<std::size_t>(i));
        if ((next & 0xC0) != 0x80) return replacement;
        c = (c << 6) | (next & 0x3F);
    }
    const bool overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
    if (overlong || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return replacement;
    at += static_cast<std::size_t>(more);
    return c;
}

int character_width(char32_t c) {
    if (is_control(c)) return 0;
    if (c < 0x300) return 1;
    if (contains(zero_width_table(), c)) return 0;
    return contains(wide_table(), c) ? 2 : 1;
}

int text_width(std::string_view text) {
    int width = 0;
    for (std::size_t at = 0; at < text.size();) width += character_width(next_character(text, at));
    return width;
}

std::string_view fit(std::string_view text, int columns) {
    int width = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        width += character_width(next_character(text, at));
        if (width > columns) return text.substr(0, before);
    }
    return text;
}

std::string valid_text(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        if (next_character(text, at) == replacement)
            out += "\xEF\xBF\xBD";
        else
            out += text.substr(before, at - before);
    }
    return out;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        const char32_t c = next_character(text, at);
        if (c == '\t') {
            out += "    ";
        } else if (c == '\n' || (!is_unsafe(c) && c != replacement)) {
            out += text.substr(before, at - before);
        } else {
            out += "\xEF\xBF\xBD";
        }
    }
    return out;
}

} // namespace chat
