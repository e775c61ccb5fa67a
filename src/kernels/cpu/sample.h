// From a row of logits to a token, on the CPU.
//
// Order and formulas are those of transformers' logits processors (5.17), with two of our own between them:
//   bias        s + b
//   repeat      s < 0 ? s r : s / r, for each id in the last penalty_window tokens, prompt included
//   presence,   s - n f - (n > 0) p, n being how often the id stands in the reply, within the same window: OpenAI's
//   frequency   formula. After repeat, whose two cases ask for the sign of the model's own score; before temperature,
//               for it is published for plain logits
//   allowed     -inf where its bit is 0
//   temperature s / t; 0 or denormal: greedy, and nothing below acts
//   top_k       s >= the k-th largest
//   top_p       the likeliest ids whose mass reaches p
//   min_p       probability >= min_p times the largest
//   typical_p   the ids whose surprise is nearest to the entropy, until their mass reaches p
// Each works on what the ones above kept. An edge that falls among equal scores keeps them all, so that the kept set
// depends on no order of sorting. Then the draw: Gumbel-max over the kept set, noise as in philox.h. Greedy takes the
// lowest id among equals.
//
// Before all of this the KL budget mixes the logits with the twin's where they are too far apart (kl_budget.h).
// Log-probabilities and entropy are those of the logits after the budget, over ids below vocab_size.
#pragma once

#include "model/backend.h"

#include <vector>

namespace steer {

// What may be drawn: ids with score >= keep_from and score > -inf.
struct FilteredLogits {
    std::vector<float> scores;    // [vocab size], after all that changes a score
    std::vector<float> block_max; // of each 64 scores
    float keep_from = 0.0f;
    int32_t best = -1;   // largest kept score, lowest id among equals; -1: nothing may be drawn
    bool greedy = false; // only best is kept

    bool keeps(int32_t id) const {
        const float score = scores[static_cast<size_t>(id)];
        return greedy ? id == best : score >= keep_from && score > -std::numeric_limits<float>::infinity();
    }
};

// logits [draw.vocab_size or more], without NaN.
void filter_logits(const float* logits, const Draw& draw, FilteredLogits& filtered);

// twin_logits: those of draw.twin_logit_row, or nullptr.
void draw_token(const float* logits, const float* twin_logits, const Draw& draw, Drawn& drawn);

void score_logits(const float* logits, int32_t vocab_size, const LogitRow& row, Score& score);

} // namespace steer
