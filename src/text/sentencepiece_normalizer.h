// What sentencepiece makes of a text before it cuts it: rules applied, spaces written as U+2581.
#pragma once

#include "text/chars_map.h"
#include "text/piece_trie.h"
#include "text/sentencepiece_model.h"

namespace steer {

class SentencePieceNormalizer {
  public:
    SentencePieceNormalizer(const SentencePieceModel& model, const std::string& name);

    std::string normalise(std::string_view valid, bool prefix) const; // prefix: with a space before it

  private:
    std::string_view take(std::string_view& rest) const;
    void append(std::string_view text, std::string& out) const;

    PieceTrie kept_; // user-defined pieces, which no rule touches
    CharsMap rules_;
    bool remove_extra_whitespaces_;
    std::string_view space_;
};

} // namespace steer
