#include "text/find.h"

namespace steer {

Finder::Finder(std::string_view needle) : needle_(needle), border_(needle.size() + 1, 0) {
    for (size_t n = 2; n <= needle_.size(); ++n) border_[n] = advance(border_[n - 1], needle_[n - 1]);
}

size_t Finder::advance(size_t state, char byte) const {
    if (state == needle_.size()) state = border_[state];
    while (state > 0 && needle_[state] != byte) state = border_[state];
    return state + (state < needle_.size() && needle_[state] == byte);
}

size_t Finder::find(std::string_view text, size_t from) const {
    if (from > text.size()) return std::string_view::npos;
    if (needle_.empty()) return from;
    size_t state = 0;
    for (size_t at = from; at < text.size(); ++at) {
        state = advance(state, text[at]);
        if (state == needle_.size()) return at + 1 - state;
    }
    return std::string_view::npos;
}

} // namespace steer
