#include "text/jinja/strings.h"

#include "files/utf8.h"

namespace steer::jinja {

bool is_space(uint32_t code) {
    if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

size_t leading_space(std::string_view text) {
    const char *at = text.data(), *end = at + text.size();
    while (at < end) {
        const char* next = at;
        if (!is_space(decode_valid_utf8(next))) break;
        at = next;
    }
    return static_cast<size_t>(at - text.data());
}

std::string_view strip_right(std::string_view text) {
    while (!text.empty()) {
        size_t last = text.size() - 1;
        while (last > 0 && is_utf8_tail(text[last])) --last;
        const char* at = text.data() + last;
        if (!is_space(decode_valid_utf8(at))) break;
        text = text.substr(0, last);
    }
    return text;
}

} // namespace steer::jinja
