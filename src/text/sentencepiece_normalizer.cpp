#include "text/sentencepiece_normalizer.h"

#include "files/utf8.h"

#include <algorithm>

namespace steer {

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceModel& model, const std::string& name)
    : kept_(model.texts({SentencePiece::UserDefined})),
      remove_extra_whitespaces_(model.remove_extra_whitespaces),
      space_(model.space()) {
    if (!model.chars_map.empty()) rules_ = CharsMap(model.chars_map, name);
}

// What the beginning of rest becomes: a user-defined piece, what a rule says, or one character.
std::string_view SentencePieceNormalizer::take(std::string_view& rest) const {
    size_t size = kept_.longest(rest).size;
    if (size == 0) {
        if (const CharsMap::Match rule = rules_.longest(rest); rule.size > 0)
            return rest.remove_prefix(rule.size), rule.replacement;
        const Utf8Char next = decode_utf8(rest.data(), rest.data() + rest.size());
        size = next.size;
        if (next.kind != Utf8Char::Good) return rest.remove_prefix(size), replacement_character; // a rule took half of it
    }
    const std::string_view same = rest.substr(0, size);
    return rest.remove_prefix(size), same;
}

void SentencePieceNormalizer::append(std::string_view text, std::string& out) const {
    for (size_t space; (space = text.find(' ')) != text.npos; text.remove_prefix(space + 1))
        out.append(text.substr(0, space)).append(space_);
    out += text;
}

std::string SentencePieceNormalizer::normalise(std::string_view rest, bool prefix) const {
    const auto is_space = [&](std::string_view from) { return take(from) == " "; };
    while (remove_extra_whitespaces_ && !rest.empty() && is_space(rest)) take(rest);
    std::string out;
    if (rest.empty()) return out;
    out.reserve(rest.size() + rest.size() / 2 + space_.size());
    if (prefix) out += space_;
    if (rules_.empty() && !remove_extra_whitespaces_) return append(rest, out), out;

    bool behind_space = remove_extra_whitespaces_;
    while (!rest.empty()) {
        std::string_view next = take(rest);
        while (behind_space && next.starts_with(' ')) next.remove_prefix(1);
        append(next, out);
        if (!next.empty()) behind_space = remove_extra_whitespaces_ && next.ends_with(' ');
    }
    while (remove_extra_whitespaces_ && out.ends_with(space_)) out.resize(out.size() - space_.size());
    return out;
}

} // namespace steer
