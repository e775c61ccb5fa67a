#include "steer/recommend.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace steer {
namespace {

constexpr float kEqualAuc = 0.01f;

// Index of the highest known value among those that allowed(index) names; -1: none.
template<class Allowed> int32_t highest(std::span<const float> values, Allowed allowed) {
    int32_t best = -1;
    for (int32_t i = 0; i < static_cast<int32_t>(values.size()); ++i) {
        if (!allowed(i) || std::isnan(values[static_cast<size_t>(i)])) continue;
        if (best < 0 || values[static_cast<size_t>(i)] > values[static_cast<size_t>(best)]) best = i;
    }
    return best;
}

constexpr auto anywhere = [](int32_t) { return true; };

} // namespace

LayerBand recommend_band(int32_t layer_begin, int32_t layer_end, int32_t layer_count) {
    const int32_t begin = std::max(layer_begin, 3 * layer_count / 10);
    const int32_t end = std::min(layer_end, (8 * layer_count + 9) / 10); // rounded up
    return begin < end ? LayerBand{begin, end} : LayerBand{-1, -1};
}

int32_t recommend_gauge_layer(const ReadingFigures& figures, int32_t layer_begin, int32_t layer_count) {
    const int32_t clearest = highest(figures.content_auc, anywhere);
    int32_t best = clearest;
    if (clearest >= 0) {
        const float enough = figures.content_auc[static_cast<size_t>(clearest)] - kEqualAuc;
        const int32_t widest = highest(figures.content_separation, [&](int32_t i) { // NaN is not enough
            return figures.content_auc[static_cast<size_t>(i)] >= enough;
        });
        if (widest >= 0) best = widest;
    } else {
        best = highest(figures.separation, [&](int32_t i) {
            return 3 * int64_t{layer_begin + i} >= 2 * int64_t{layer_count};
        });
        if (best < 0) best = highest(figures.separation, anywhere);
    }
    return best < 0 ? -1 : layer_begin + best;
}

int32_t recommend_dial_layer(const Calibration& calibration) {
    constexpr float kStrength = 0.3f;
    constexpr int32_t kCosine = 0, kWindow = 8;
    std::vector<float> clarity;
    for (int32_t layer = calibration.layer_begin; layer < calibration.layer_end; layer++)
        clarity.push_back(calibration.clarity_at(layer, kCosine, kStrength));
    const int32_t best = highest(clarity, [&](int32_t i) {
        return !std::isnan(calibration.affine(calibration.layer_begin + i, kCosine, kWindow).gain);
    });
    return best < 0 ? -1 : calibration.layer_begin + best;
}

} // namespace steer
