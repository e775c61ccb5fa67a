// Rows of a persona vector from the states of contrast pairs: the arithmetic, without an engine.
//
// A pair gives two pooled states at every layer's site: s+ in the persona's voice, s- in the neutral one; d = s+ - s-. Pairs
// are weighted so that every group counts alike (steer/group_split.h); whole groups are held out for the report.
//   row        by method, of the training pairs; all but the probe's are STEER_ROWS_WRITE or READ alike
//     mean difference   v = weighted mean of d; not normalised
//     PCA, uncentred    first right singular vector of the weighted d: length one, turned so that the mean of d . v is positive
//     PCA, centred      the same of d less its mean: along what the differences differ in, which is not what they have in common
//     PCA of pairs      of the states less the middle of their pair, d/2 and -d/2: the same direction as uncentred
//     probe             weights of a logistic regression of the voice on the states (steer/directions.h); good for reading only
//   held-out figures, with u = v / |v|, on the groups not used for v (NaN where none could be held out):
//   auc        P(s+ . u > s- . u) over all held-out (s+, s-), ties half: Mann-Whitney
//   content    the same of the states pooled over the tokens that both texts share
//   separation d' = (mean s+ . u - mean s- . u) / sqrt((var s+ . u + var s- . u) / 2)
//   explained  variance of s . u over the total variance of s, s being all held-out states of both voices
//   neutral    group-balanced mean of s- . u; persona the same of s+ . u
//   split half cosine between the rows that two halves of the training groups give
#pragma once

#include "steer/group_split.h"
#include "steer/vector.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace steer {

struct RowOptions {
    int32_t method = STEER_METHOD_MEAN_DIFFERENCE;
    int32_t layer_begin = 0, layer_end = 0; // half open, of the rows wanted
    int32_t hidden_size = 0;
};

struct ExtractedRows {
    std::vector<VectorRow> rows;                      // one per layer, all present
    std::vector<float> separation, content_separation; // d' per row; NaN: unknown
};

struct PairStates { // [layers][hidden_size], row-major
    std::span<const float> positive, negative;
    bool empty() const { return positive.empty() && negative.empty(); }
};

// Bytes of states that a method keeps for each layer until its rows are made. 0: it sums them up, whatever their number.
uint64_t kept_bytes_per_layer(int32_t method, size_t train_pairs, int32_t hidden_size);

class RowExtraction {
  public:
    RowExtraction(const RowOptions& options, std::shared_ptr<const GroupSplit> split);
    ~RowExtraction();
    RowExtraction(const RowExtraction&) = delete;
    RowExtraction& operator=(const RowExtraction&) = delete;

    // States of the next pair in the split's order. content: over the tokens that both texts share, looked at where the
    // pair is held out; empty: there are none.
    void add(const PairStates& pooled, const PairStates& content = {});

    // Makes the rows, once the training pairs are there; before_layer may throw to leave. Else the first held-out pair, or
    // finish, does it.
    void fit(const std::function<void()>& before_layer = {});

    // After the last pair. residual_norms: one per layer, or empty.
    ExtractedRows finish(std::span<const float> residual_norms);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Mann-Whitney, as in the report.
double area_under_curve(std::span<const double> positive, std::span<const double> negative);

} // namespace steer
