// What a calibration has measured of a vector on one model, and what it gives: strengths and gauges on a scale of their own.
//
// A reading is a gauge's value at one layer, at a position that chose a token of a reply; metrics as in plan.h.
//   scale      percentiles of readings averaged over 1 or 8 tokens or the whole reply, of neutral and of persona text. A
//              calibrated value is (z - q0) / (q1 - q0), q0 and q1 being the two medians; d' says how well they part.
//   response   how the stream itself answers a push, r being the relative strength of the whole push. Own readings (the state
//              less the push so far) of the same texts with and without it: shift, the mean of own(r) - own(0); spread, how far
//              the two voices then stand apart, as a share of what they do at 0, because a stream that is pushed towards a
//              persona answers less where it is there already; clarity, their d' over 8 tokens. All three are linear between
//              the strengths at which they were measured. own(0) = centre + (own(r) - centre - shift) / spread is right for the
//              mean of either voice; with the shift alone it is right for their mixture only.
//   rho        median |x| over neutral reply positions at the site where a row is applied, without sinks.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace steer {

constexpr int32_t kMetrics = 3; // as steer/plan.h numbers them
constexpr std::array<float, 5> kPercentiles = {5.0f, 25.0f, 50.0f, 75.0f, 95.0f};
enum class Smoothing : uint8_t { token, eight, reply };
constexpr int32_t kSmoothings = 3;

struct GaugeScale {
    std::array<float, 5> neutral{}, persona{}; // at kPercentiles
    float separation = std::numeric_limits<float>::quiet_NaN(); // d' = (mean+ - mean-) / sqrt((var+ + var-) / 2)
};

struct Affine { // value = (z - zero) * gain; NaN: not defined
    float zero = 0.0f, gain = 1.0f;
    float operator()(float z) const { return (z - zero) * gain; }
};

// Limits of a running mean by how many tokens it has seen: 1, 2 to 3, 4 to 7, 8 to 15, 16 and more. A mean of few is wide,
// and a reply's first words are the least certain: one limit for all would be theirs.
using AgeLimits = std::array<float, 5>;
constexpr AgeLimits kNoLimits = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN(),
                                 std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN(),
                                 std::numeric_limits<float>::quiet_NaN()};
constexpr size_t age_of(int32_t tokens) { // tokens >= 1
    return std::min<size_t>(static_cast<size_t>(std::bit_width(static_cast<uint32_t>(tokens))) - 1, std::tuple_size_v<AgeLimits> - 1);
}

struct Calibration {
    static constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

    int32_t dtype = 0, weights = 0;               // STEER_DTYPE_* and STEER_WEIGHTS_* of the model it was measured on
    int32_t layer_begin = 0, layer_end = 0;       // those of the vector
    int32_t band_begin = 0, band_end = 0;         // layers that were pushed at
    std::vector<float> rho;                       // [layers]; NaN: no row there
    std::vector<GaugeScale> scales;               // [layers][kMetrics][kSmoothings]
    std::vector<float> strengths;                 // relative, ascending; 0 is one of them
    std::vector<float> centre;                    // [layers][kMetrics] mean reading of those texts at 0
    std::vector<float> shift, spread, clarity;    // [layers][kMetrics][strengths]
    std::vector<float> neutral, persona;          // [layers] mean projections on the write row, where it is applied
    float gap = kNaN;                             // at the last site of the band: persona less neutral
    AgeLimits entropy_limits = kNoLimits;         // p99.5 of the running mean of a token's entropy, nats; of sound replies
    AgeLimits surprise_limits = kNoLimits;        // p99 of the running mean of -log p(token) without steering
    float length_limit = kNaN;                    // p99.5 of the tokens of sound replies; unknown where some did not end by themselves
    uint32_t scripts = 0;                         // a bit for each script (text/scripts.h) of the texts; 0: unknown
    float slope_corrected = kNaN, slope_twin = kNaN; // of the calibrated gauge at gauge_layer, for each unit of r
    float safe_pass = kNaN, safe_fail = kNaN;     // relative strengths between which the safe maximum lies
    std::string safe_rule;                        // which rule failed at safe_fail

    size_t layers() const { return static_cast<size_t>(layer_end - layer_begin); }
    bool knows(int32_t layer) const { return layer >= layer_begin && layer < layer_end; }
    const GaugeScale& scale(int32_t layer, int32_t metric, Smoothing smoothing) const;
    // Of a gauge with a window of so many tokens. Not defined where the two texts do not part: d' < 1 at 8 tokens.
    Affine affine(int32_t layer, int32_t metric, int32_t window) const;
    // From own(r) to own(0). Not defined beyond the measured strengths, and where the push drowns the voices: d' < 1.
    Affine correction(int32_t layer, int32_t metric, float relative) const;
    float clarity_at(int32_t layer, int32_t metric, float relative) const; // NaN beyond the measured strengths

  private:
    size_t row(int32_t layer, int32_t metric) const { return static_cast<size_t>(layer - layer_begin) * kMetrics + static_cast<size_t>(metric); }
    float at(const std::vector<float>& curve, int32_t layer, int32_t metric, float relative) const;
};

using CalibrationPtr = std::shared_ptr<const Calibration>;

// samples are put in order. Percentiles are linear between order statistics, as numpy's are.
float percentile(std::vector<float>& samples, float percent);
GaugeScale make_scale(std::vector<float> neutral, std::vector<float> persona);

// The means over `length` readings in a row; a reply that is shorter gives one, over all that it has.
void append_running_means(std::span<const float> readings, size_t length, std::vector<float>& out);

} // namespace steer
