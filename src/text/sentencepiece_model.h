// tokenizer.model of sentencepiece, read and checked. Facts: src/sentencepiece_model.proto of
// https://github.com/google/sentencepiece
#pragma once

#include "text/piece_trie.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

inline constexpr std::string_view kSentencepieceSpace = "\xE2\x96\x81"; // U+2581: how a space is written in pieces
inline constexpr size_t kPieceSizeMax = 256; // bounds the work per byte of text; the longest known have 128

struct SentencePiece {
    enum Type : uint8_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

    std::string_view text;
    float score = 0;
    Type type = Normal;

    bool is_text() const { return type == Normal || type == UserDefined || type == Unused; } // may be found in a text
};

struct SentencePieceModel { // views into the file
    enum Kind : uint8_t { Unigram = 1, Bpe = 2 };

    Kind kind = Unigram;
    bool byte_fallback = false;
    std::string_view chars_map; // compiled normalisation rules; empty: text stays as it is
    bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
    std::vector<SentencePiece> pieces; // by id

    std::string_view space() const { return escape_whitespaces ? kSentencepieceSpace : " "; }
    std::vector<PieceTrie::Entry> texts(std::initializer_list<SentencePiece::Type> types) const; // with their ids
};

// STEER_ERR_FORMAT for what is damaged, STEER_ERR_UNSUPPORTED by name for models that are sound but of another make.
SentencePieceModel read_sentencepiece_model(std::string_view file, const std::string& name);

int byte_of_piece(std::string_view text); // "<0x0A>": 10; -1: none

} // namespace steer
