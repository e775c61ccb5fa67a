// How long the stream usually is at each layer: medians over tokens of neutral text.
#pragma once

#include "run/passage_states.h"

#include <vector>

namespace steer {

// Tokens of a passage that are looked at: a few of the reply's, or of the prompt's where there is no reply, evenly spread; not
// the first of all, whose norm is of another kind.
Positions choose_norm_samples(const EncodedPassage& passage);

class ResidualNorms {
  public:
    explicit ResidualNorms(const StateLayers& layers) : layers_(layers), norms_(layers.count()) {}

    void add(const std::vector<float>& states); // [layers][hidden], of one token

    // One a layer, without the sinks: tokens whose norm is more than eight times the rest's. Empty: none were added.
    std::vector<float> medians() const;

  private:
    StateLayers layers_;
    std::vector<std::vector<float>> norms_; // by layer
};

} // namespace steer
