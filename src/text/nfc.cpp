#include "text/nfc.h"

#include "text/char_table.h"
#include "files/utf8.h"

#include <algorithm>
#include <utf8proc.h>
#include <vector>

namespace steer {
namespace {

constexpr auto nfc = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);

uint8_t combining_class(utf8proc_int32_t code) {
    return static_cast<uint8_t>(utf8proc_get_property(code)->combining_class);
}

// utf8proc decomposes and composes; the ordering of marks between is ours, because its own is quadratic in their
// number.
void append_nfc(std::string_view window, std::vector<utf8proc_int32_t>& codes, std::string& out) {
    codes.clear();
    for (const char *at = window.data(), *end = at + window.size(); at < end;) {
        utf8proc_int32_t parts[8];
        int boundclass = 0;
        auto code = static_cast<utf8proc_int32_t>(decode_valid_utf8(at));
        auto count = utf8proc_decompose_char(code, parts, 8, nfc, &boundclass);
        if (count < 1 || count > 8) {
            codes.push_back(code);
        } else {
            codes.insert(codes.end(), parts, parts + count);
        }
    }
    for (auto at = codes.begin(); at != codes.end();) {
        auto is_mark = [](utf8proc_int32_t code) { return combining_class(code) != 0; };
        auto marks = std::find_if(at, codes.end(), is_mark);
        at = std::find_if_not(marks, codes.end(), is_mark);
        std::stable_sort(marks, at, [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    }
    auto count = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), nfc);
    for (utf8proc_ssize_t i = 0; i < count; ++i) append_utf8(static_cast<uint32_t>(codes[i]), out);
}

// The first character from at on that may change; before is the stable character that it might join, or itself.
const char* find_unstable(const CharTable& table, const char* at, const char* end, const char*& before) {
    before = at;
    while (at < end) {
        const char* next = at;
        uint32_t code = decode_valid_utf8(next);
        if (code >= 0x300 && table.normalises(code)) return at; // below U+0300 everything is stable
        before = at;
        at = next;
    }
    return end;
}

} // namespace

bool is_nfc_quickly(std::string_view text) {
    const char *end = text.data() + text.size(), *before;
    return find_unstable(CharTable::get(), text.data(), end, before) == end;
}

std::string to_nfc(std::string_view text) {
    const CharTable& table = CharTable::get();
    std::string out;
    out.reserve(text.size());
    std::vector<utf8proc_int32_t> codes;
    const char *done = text.data(), *end = done + text.size(), *before;
    for (;;) {
        const char* at = find_unstable(table, done, end, before);
        if (at == end) break;
        out.append(done, before);
        // The window to normalise: from the stable character before up to the next stable one.
        const char* window = before;
        while (at < end) {
            const char* next = at;
            if (!table.normalises(decode_valid_utf8(next))) break;
            at = next;
        }
        append_nfc({window, static_cast<size_t>(at - window)}, codes, out);
        done = at;
    }
    out.append(done, end);
    return out;
}

} // namespace steer
