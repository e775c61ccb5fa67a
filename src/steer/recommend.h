// Layers that extraction recommends: where to push, and where to read.
#pragma once

#include "steer/calibration.h"

#include <cstdint>
#include <span>

namespace steer {

// Layers to push at, of those that have rows: from 0.3 to 0.8 of the model's depth, the rule of thumb of those who steer by
// hand. Where the voices separate best says where to read, not where to push; calibration measures the band itself.
// {-1, -1}: no row lies there.
struct LayerBand {
    int32_t begin, end; // half open
};
LayerBand recommend_band(int32_t layer_begin, int32_t layer_end, int32_t layer_count);

// What is known of reading at each layer, from layer_begin on, all three of the same length; NaN: unknown. As
// steer/extract.h defines them.
struct ReadingFigures {
    std::span<const float> content_auc, content_separation; // of the tokens that both voices share
    std::span<const float> separation;                      // of the pooled states
};

// Where to read: the highest content AUC. Layers within 0.01 of it are equals, which held-out pairs by the hundred cannot
// tell apart, and the highest content separation decides among them. Where no content AUC is known: the highest separation
// in the last third of the depth (that of whole texts is high in early layers because their words differ), else anywhere.
// -1: nothing is known.
int32_t recommend_gauge_layer(const ReadingFigures& figures, int32_t layer_begin, int32_t layer_count);

// Where to read what is pushed: the layer at which the voices' own readings stand furthest apart under a push of relative
// strength 0.3, half of what is safe at most. That is mostly low in the band, where the stream has answered little of the
// push; unsteered text alone would say the top of it. -1: none has a scale.
int32_t recommend_dial_layer(const Calibration& calibration);

} // namespace steer
