// Unigram language model: of all ways to write a text in pieces the likeliest. Sums and their order are those of
// sentencepiece 0.2.3, so that what is equally likely is decided alike.
#pragma once

#include "text/piece_model.h"
#include "text/piece_trie.h"
#include "text/sentencepiece_model.h"

namespace steer {

class UnigramModel final : public PieceModel {
  public:
    explicit UnigramModel(const SentencePieceModel& model);

    void cut(std::string_view normal, std::vector<PieceSpan>& out) const override;

  private:
    struct End { // of the best path that ends at a byte
        float score = 0;
        int32_t begin = -1; // of its last piece; -1: no path ends here
        int32_t id = kUnknownPiece;
    };

    size_t follow(std::string_view normal, size_t begin, std::vector<End>& ends) const;

    PieceTrie trie_;
    std::vector<float> scores_; // by id
    std::vector<bool> user_defined_;
    float unknown_score_;
};

} // namespace steer
