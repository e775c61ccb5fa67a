#include "text/utf8_gate.h"

#include "files/utf8.h"

#include <algorithm>

namespace steer {

std::string Utf8Gate::push(std::string_view bytes) {
    std::string text(tail_.data(), size_);
    text.append(bytes);
    size_ = 0;
    // An incomplete character can only begin in the last three bytes.
    const char *begin = text.data(), *end = begin + text.size();
    for (size_t back = std::min<size_t>(3, text.size()); back > 0; --back) {
        const char* at = end - back;
        if (is_utf8_tail(*at)) continue;
        Utf8Char c = decode_utf8(at, end);
        if (c.kind != Utf8Char::Cut || at + c.size != end) continue;
        std::copy(at, end, tail_.begin());
        size_ = static_cast<uint8_t>(back);
        text.resize(text.size() - back);
        break;
    }
    return is_valid_utf8(text) ? text : replace_invalid_utf8(text);
}

std::string Utf8Gate::flush() {
    bool held = size_ > 0;
    size_ = 0;
    return held ? std::string(replacement_character) : std::string();
}

} // namespace steer
