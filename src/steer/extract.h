// Persona vectors from contrast pairs by mean difference: the arithmetic, without an engine.
//
// A pair gives two pooled states at every layer's site: s+ in the persona's voice, s- in the neutral one. Pairs have a
// group (a topic); groups count alike, however many pairs each has, and whole groups are held out for the report.
//   row        v = mean over training groups of the group's mean of (s+ - s-); not normalised; u = v / |v|
//   held-out figures, on the groups not used for v (NaN where none could be held out):
//   auc        P(s+ . u > s- . u) over all held-out (s+, s-), ties half: Mann-Whitney
//   separation d' = (mean s+ . u - mean s- . u) / sqrt((var s+ . u + var s- . u) / 2)
//   explained  variance of s . u over the total variance of s, s being all held-out states of both voices
//   neutral    group-balanced mean of s- . u; persona the same of s+ . u
//   split half cosine between the rows that two halves of the training groups give
#pragma once

#include "steer/vector.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace steer {

struct MeanDifferenceOptions {
    int32_t layer_begin = 0, layer_end = 0; // half open, of the rows wanted
    int32_t layer_count = 0;                // of the model: recommendations look at relative depth
    int32_t hidden_size = 0;
    float holdout = 0.2f; // share of groups, 0..0.9; at least one is kept on either side
    uint64_t seed = 0;    // of the choice of groups
};

struct MeanDifferenceResult {
    std::vector<VectorRow> rows;            // layer_end - layer_begin, all present
    std::vector<float> separation;          // d' per row; NaN: unknown
    int32_t best_begin = -1, best_end = -1; // where to push, see recommend_band
    int32_t gauge_layer = -1;               // where to read: the highest d' in the last third of the model, else of all
    uint32_t train_pairs = 0, holdout_pairs = 0, train_groups = 0, holdout_groups = 0;
};

// Streams: memory is a few rows per layer, whatever the number of pairs.
class MeanDifference {
  public:
    MeanDifference(const MeanDifferenceOptions& options, const std::vector<uint64_t>& groups); // groups: one per pair
    ~MeanDifference();
    MeanDifference(const MeanDifference&) = delete;
    MeanDifference& operator=(const MeanDifference&) = delete;

    // The order in which the pairs' states must be added: those the rows are made of first, then those held out.
    const std::vector<uint32_t>& order() const;

    // States of the next pair of order(): [layer_end - layer_begin][hidden_size], row-major.
    void add(std::span<const float> positive, std::span<const float> negative);

    // After the last pair. residual_norms: one per layer, or empty.
    MeanDifferenceResult finish(std::span<const float> residual_norms) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Mann-Whitney: the share of (positive, negative) in which the positive is larger, ties half. NaN: one side is empty.
double area_under_curve(std::span<const double> positive, std::span<const double> negative);

// Layers to push at, of those that have rows: from 0.3 to 0.8 of the model's depth, the rule of thumb of those who steer by
// hand. Where the voices separate best says where to read, not where to push; calibration measures the band itself.
// {-1, -1}: no row lies there.
struct LayerBand {
    int32_t begin, end; // half open
};
LayerBand recommend_band(int32_t layer_begin, int32_t layer_end, int32_t layer_count);

// Where to read: the highest separation in the last third of the depth, else anywhere. -1: none is known.
int32_t recommend_gauge_layer(std::span<const float> separation, int32_t layer_begin, int32_t layer_count);

} // namespace steer
