#include "steer/calibration.h"

#include "steer/held_out.h"

#include <algorithm>

namespace steer {
namespace {

constexpr float kSeparationMin = 1.0f; // below it 0 and 1 of a scale mean next to nothing
constexpr int32_t kReplyWindow = 32;   // from here on a window is nearer to a whole reply than to eight tokens

} // namespace

const GaugeScale& Calibration::scale(int32_t layer, int32_t metric, Smoothing smoothing) const {
    return scales.at(row(layer, metric) * kSmoothings + static_cast<size_t>(smoothing));
}

Affine Calibration::affine(int32_t layer, int32_t metric, int32_t window) const {
    if (!knows(layer) || !(scale(layer, metric, Smoothing::eight).separation >= kSeparationMin)) return {kNaN, kNaN};
    const Smoothing smoothing = window == 1 ? Smoothing::token : window < kReplyWindow ? Smoothing::eight : Smoothing::reply;
    const GaugeScale& found = scale(layer, metric, smoothing);
    const float zero = found.neutral[2], one = found.persona[2];
    if (!(one > zero)) return {kNaN, kNaN};
    return {zero, 1.0f / (one - zero)};
}

// Of shift, spread or clarity, linear between the strengths.
float Calibration::at(const std::vector<float>& curve, int32_t layer, int32_t metric, float relative) const {
    if (!knows(layer) || strengths.empty() || !(relative >= strengths.front() && relative <= strengths.back())) return kNaN;
    const auto knot = static_cast<size_t>(std::lower_bound(strengths.begin(), strengths.end(), relative) - strengths.begin());
    const float* values = curve.data() + row(layer, metric) * strengths.size();
    if (strengths[knot] == relative) return values[knot];
    const float share = (relative - strengths[knot - 1]) / (strengths[knot] - strengths[knot - 1]);
    return values[knot - 1] + share * (values[knot] - values[knot - 1]);
}

float Calibration::clarity_at(int32_t layer, int32_t metric, float relative) const { return at(clarity, layer, metric, relative); }

Affine Calibration::correction(int32_t layer, int32_t metric, float relative) const {
    const float stretch = at(spread, layer, metric, relative);
    if (!(clarity_at(layer, metric, relative) >= kSeparationMin) || !(stretch > 0.0f)) return {kNaN, kNaN};
    const float middle = centre[row(layer, metric)];
    return {middle + at(shift, layer, metric, relative) - middle * stretch, 1.0f / stretch};
}

float percentile(std::vector<float>& samples, float percent) {
    if (samples.empty()) return Calibration::kNaN;
    std::sort(samples.begin(), samples.end());
    const double at = static_cast<double>(percent) / 100.0 * static_cast<double>(samples.size() - 1);
    const auto below = static_cast<size_t>(at);
    const size_t above = std::min(below + 1, samples.size() - 1);
    return static_cast<float>(double{samples[below]} + (at - static_cast<double>(below)) * (double{samples[above]} - double{samples[below]}));
}

GaugeScale make_scale(std::vector<float> neutral, std::vector<float> persona) {
    GaugeScale scale;
    for (size_t i = 0; i < kPercentiles.size(); i++) {
        scale.neutral[i] = percentile(neutral, kPercentiles[i]);
        scale.persona[i] = percentile(persona, kPercentiles[i]);
    }
    const Projections on_row{{persona.begin(), persona.end()}, {neutral.begin(), neutral.end()}};
    scale.separation = static_cast<float>(on_row.separation());
    return scale;
}

void append_running_means(std::span<const float> readings, size_t length, std::vector<float>& out) {
    if (readings.empty()) return;
    length = std::min(length, readings.size());
    for (size_t begin = 0; begin + length <= readings.size(); begin++) {
        double sum = 0.0;
        for (const float reading : readings.subspan(begin, length)) sum += double{reading};
        out.push_back(static_cast<float>(sum / static_cast<double>(length)));
    }
}

} // namespace steer
