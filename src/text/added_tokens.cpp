#include "text/added_tokens.h"

#include "files/error.h"

#include <algorithm>

namespace steer {

void AddedTokens::add(std::string_view content, int32_t id) {
    starts_[static_cast<uint8_t>(content[0])] = true;
    int32_t node = 0;
    for (char byte : content) {
        const int32_t* next = edges_.find(edge(node, byte));
        if (next) {
            node = *next;
            continue;
        }
        auto fresh = static_cast<int32_t>(ids_.size());
        edges_.set(edge(node, byte), fresh);
        ids_.push_back(-1);
        node = fresh;
    }
    ids_[static_cast<size_t>(node)] = id;
}

bool AddedTokens::find(std::string_view text, size_t from, ControlMatch& out) const {
    for (size_t begin = from; begin < text.size(); ++begin) {
        if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
        int32_t node = 0, found = -1;
        size_t end = begin;
        for (size_t at = begin; at < text.size(); ++at) {
            const int32_t* next = edges_.find(edge(node, text[at]));
            if (!next) break;
            node = *next;
            if (ids_[static_cast<size_t>(node)] >= 0) found = ids_[static_cast<size_t>(node)], end = at + 1;
        }
        if (found < 0) continue;
        out = {begin, end, found};
        return true;
    }
    return false;
}

int32_t AddedTokens::find_exact(std::string_view content) const {
    ControlMatch match;
    if (content.empty() || !find(content, 0, match)) return -1;
    return match.begin == 0 && match.end == content.size() ? match.id : -1;
}

AddedToken read_added_token(const Json& entry, const std::string& where) {
    AddedToken token{get_string(entry, "content", where), get_bool_or(entry, "special", where, false)};
    if (token.content.size() > AddedTokens::content_max)
        fail(STEER_ERR_UNSUPPORTED, "{}: content of {} bytes, allowed are {}", where, token.content.size(),
             AddedTokens::content_max);
    for (const char* key : {"single_word", "lstrip", "rstrip"})
        if (get_bool_or(entry, key, where, false)) fail(STEER_ERR_UNSUPPORTED, "{}: \"{}\" is not supported", where, key);
    // A normalised token is looked for in normalised text. For ASCII that is the same as in raw text.
    const bool ascii = std::all_of(token.content.begin(), token.content.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (get_bool_or(entry, "normalized", where, false) && !ascii)
        fail(STEER_ERR_UNSUPPORTED, "{}: \"normalized\" is supported for ASCII only", where);
    return token;
}

} // namespace steer
