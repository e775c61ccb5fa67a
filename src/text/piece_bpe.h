// sentencepiece's BPE: of neighbours that together are a piece, those with the highest score become one first, from the left.
#pragma once

#include "text/bpe.h"
#include "text/piece_model.h"
#include "text/piece_trie.h"
#include "text/sentencepiece_model.h"

#include <string_view>
#include <vector>

namespace steer {

class PieceBpe final : public PieceModel {
  public:
    explicit PieceBpe(const SentencePieceModel& model);

    void cut(std::string_view normal, std::vector<PieceSpan>& out) const override;

  private:
    struct Scratch {
        BpeScratch bpe;
        std::vector<int32_t> merged;
    };

    void add_merges(const SentencePieceModel& model);
    size_t find_word_end(std::string_view text) const;
    void cut_word(std::string_view word, Scratch& scratch, std::vector<PieceSpan>& out) const;
    void cut_symbols(std::string_view text, Scratch& scratch, std::vector<PieceSpan>& out) const;

    PieceTrie user_defined_; // found first, and never merged
    std::vector<uint32_t> sizes_; // by id
    // Symbols are the ids of pieces, and behind them the characters that stand in pieces without being one.
    FlatTable<int32_t> characters_; // by code point
    int32_t unknown_symbol_ = 0;    // any other character: merges with nothing
    BpeModel merges_;
    std::string_view space_;
    bool words_ = true; // no piece holds a space behind something else: what is between spaces is merged by itself
};

} // namespace steer
