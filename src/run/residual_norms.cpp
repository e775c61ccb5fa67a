#include "run/residual_norms.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr size_t kSamples = 4;
constexpr float kSink = 8.0f;

float median(std::vector<float>& values) {
    const size_t half = values.size() / 2;
    std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(half), values.end());
    return values[half];
}

} // namespace

Positions choose_norm_samples(const EncodedPassage& passage) {
    Positions candidates, chosen;
    for (size_t i = 1; i < passage.ids.size(); i++)
        if (passage.marks[i] != 0) candidates.push_back(static_cast<int32_t>(i));
    if (candidates.empty())
        for (size_t i = 1; i < passage.ids.size(); i++) candidates.push_back(static_cast<int32_t>(i));
    const size_t count = std::min(kSamples, candidates.size());
    for (size_t i = 0; i < count; i++) chosen.push_back(candidates[(2 * i + 1) * candidates.size() / (2 * count)]);
    return chosen;
}

void ResidualNorms::add(const std::vector<float>& states) {
    const auto hidden = static_cast<size_t>(layers_.hidden_size);
    for (size_t layer = 0; layer < norms_.size(); layer++) {
        double squares = 0.0;
        for (size_t i = 0; i < hidden; i++) squares += double{states[layer * hidden + i]} * states[layer * hidden + i];
        norms_[layer].push_back(static_cast<float>(std::sqrt(squares)));
    }
}

std::vector<float> ResidualNorms::medians() const {
    std::vector<float> typical;
    for (std::vector<float> of_layer : norms_) {
        if (of_layer.empty()) return {};
        const float all = median(of_layer);
        std::erase_if(of_layer, [&](float norm) { return norm > kSink * all; });
        typical.push_back(median(of_layer));
    }
    return typical;
}

} // namespace steer
