// A calibration's arithmetic, worked out by hand. tests/python/test_calibration.py compares what is measured.
#include "files/error.h"
#include "steer/calibration_json.h"
#include "steer/recommend.h"
#include "steer/strength.h"

#include <catch2/catch.hpp>

#include <cmath>

using namespace steer;

namespace {

// Layers 2 and 3; zero and one of every scale are 1 and 3 at layer 2, and do not part at layer 3.
Calibration small() {
    Calibration c;
    c.layer_begin = c.band_begin = 2, c.layer_end = c.band_end = 4;
    c.rho = {10.0f, 20.0f};
    GaugeScale parts, does_not;
    parts.neutral = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f}, parts.persona = {2.0f, 2.5f, 3.0f, 3.5f, 4.0f}, parts.separation = 1.5f;
    does_not = parts, does_not.separation = 0.9f;
    for (int layer = 0; layer < 2; layer++) c.scales.insert(c.scales.end(), kMetrics * kSmoothings, layer == 0 ? parts : does_not);
    c.strengths = {-1.0f, 0.0f, 0.5f, 1.0f};
    for (int row = 0; row < 2 * kMetrics; row++) {
        c.centre.push_back(10.0f);
        for (const float value : {4.0f, 0.0f, -1.0f, -4.0f}) c.shift.push_back(value * static_cast<float>(row + 1));
        c.spread.insert(c.spread.end(), {1.5f, 1.0f, 0.5f, 0.25f});
        c.clarity.insert(c.clarity.end(), {3.0f, 3.0f, 2.0f, row < kMetrics ? 1.0f : 0.5f});
    }
    c.neutral = {1.0f, 2.0f}, c.persona = {3.0f, 10.0f};
    c.gap = 8.0f;
    return c;
}

VectorPtr vector_with(Calibration calibration, std::vector<float> first, std::vector<float> second) {
    Vector draft;
    draft.name = "small";
    draft.hidden_size = 2;
    draft.layer_begin = 2, draft.layer_end = 4;
    draft.write.resize(2);
    draft.write[0].values = std::move(first), draft.write[1].values = std::move(second);
    draft.calibration = std::make_shared<const Calibration>(std::move(calibration));
    return finish_vector(std::move(draft), "test");
}

} // namespace

TEST_CASE("percentiles are linear between order statistics", "[calibration]") {
    std::vector<float> samples = {4.0f, 1.0f, 3.0f, 2.0f};
    CHECK(percentile(samples, 0.0f) == 1.0f);
    CHECK(percentile(samples, 50.0f) == 2.5f);
    CHECK(percentile(samples, 95.0f) == Approx(3.85f));
    CHECK(percentile(samples, 100.0f) == 4.0f);
    std::vector<float> none;
    CHECK(std::isnan(percentile(none, 50.0f)));
}

TEST_CASE("running means of a short reply are one", "[calibration]") {
    std::vector<float> out;
    append_running_means(std::vector<float>{1.0f, 2.0f, 6.0f}, 2, out);
    append_running_means(std::vector<float>{1.0f, 2.0f, 6.0f}, 8, out);
    append_running_means({}, 8, out);
    CHECK(out == std::vector<float>{1.5f, 4.0f, 3.0f});
}

TEST_CASE("a scale shows 0 and 1 at the medians, and nothing where the texts do not part", "[calibration]") {
    const Calibration c = small();
    const Affine scale = c.affine(2, 0, 8);
    CHECK((1.0f - scale.zero) * scale.gain == 0.0f);
    CHECK((3.0f - scale.zero) * scale.gain == 1.0f);
    CHECK((5.0f - scale.zero) * scale.gain == 2.0f); // not clipped
    CHECK(std::isnan(c.affine(3, 0, 8).gain));
    CHECK(std::isnan(c.affine(9, 0, 8).gain));
}

TEST_CASE("a correction takes back the shift and the spread, linear between the strengths they were measured at", "[calibration]") {
    const Calibration c = small();
    CHECK(c.correction(2, 0, 0.0f)(12.0f) == 12.0f);
    CHECK(c.correction(2, 0, 0.5f)(10.0f - 1.0f + 0.5f * 3.0f) == Approx(13.0f));  // own(0) = centre + 3
    CHECK(c.correction(2, 0, 0.25f)(10.0f - 0.5f + 0.75f * 3.0f) == Approx(13.0f));
    CHECK(c.correction(2, 1, -1.0f)(10.0f + 8.0f - 1.5f * 2.0f) == Approx(8.0f));
    CHECK(c.correction(2, 2, 1.0f)(10.0f - 12.0f + 0.25f) == Approx(11.0f));
    CHECK(std::isnan(c.correction(3, 0, 1.0f).gain)); // the voices do not part there
    CHECK(std::isnan(c.correction(2, 0, 1.01f).gain));
    CHECK(std::isnan(c.correction(2, 0, NAN).gain));
    CHECK(std::isnan(c.correction(4, 0, 0.5f).gain));
}

TEST_CASE("the dial is read where the voices part most under a push", "[calibration]") {
    Calibration c = small();
    c.strengths[2] = 0.3f;
    for (size_t layer = 0; layer < 2; layer++) c.clarity[layer * kMetrics * 4 + 2] = layer == 0 ? 1.5f : 2.5f;
    CHECK(recommend_dial_layer(c) == 2); // the other has no scale
    for (GaugeScale& scale : c.scales) scale.separation = 1.5f;
    CHECK(recommend_dial_layer(c) == 3);
    for (GaugeScale& scale : c.scales) scale.separation = 0.5f;
    CHECK(recommend_dial_layer(c) == -1);
}

TEST_CASE("a relative strength is a share of the norm at the band's end", "[calibration]") {
    const VectorPtr vector = vector_with(small(), {2.0f, 0.0f}, {0.0f, 5.0f}); // p = (10, 0) + (0, 20)
    const StrengthScale scale = strength_scale(*vector, STEER_UNIT_RELATIVE, 2, 4, {});
    const float x = scale.factors[0] * 2.0f, y = scale.factors[1] * 5.0f;
    CHECK(std::hypot(x, y) == Approx(20.0f));
    CHECK(y / x == Approx(2.0f));
    CHECK(scale.relative == 1.0f);
    const std::vector<float> curve = {0.0f, 3.0f};
    CHECK(strength_scale(*vector, STEER_UNIT_RELATIVE, 2, 4, curve).factors[1] == Approx(4.0f)); // the whole push is the second's
}

TEST_CASE("a gap is the distance between the two texts along the last row", "[calibration]") {
    const VectorPtr vector = vector_with(small(), {2.0f, 0.0f}, {3.0f, 4.0f}); // p = (10, 0) + (12, 16)
    const StrengthScale scale = strength_scale(*vector, STEER_UNIT_GAPS, 2, 4, {});
    const float x = scale.factors[0] * 2.0f + scale.factors[1] * 3.0f, y = scale.factors[1] * 4.0f;
    CHECK((x * 3.0f + y * 4.0f) / 5.0f == Approx(8.0f));
    CHECK(std::hypot(x, y) == Approx(scale.relative * 20.0f));
}

TEST_CASE("strengths that mean nothing are refused", "[calibration]") {
    const VectorPtr opposed = vector_with(small(), {2.0f, 0.0f}, {-1.0f, 0.0f});
    Calibration equal = small();
    equal.rho = {10.0f, 10.0f};
    const VectorPtr cancelled = vector_with(equal, {2.0f, 0.0f}, {-2.0f, 0.0f});
    CHECK_THROWS_AS(strength_scale(*cancelled, STEER_UNIT_RELATIVE, 2, 4, {}), Error);
    Calibration no_gap = small();
    no_gap.gap = -1.0f;
    CHECK_THROWS_AS(strength_scale(*vector_with(no_gap, {1.0f, 0.0f}, {1.0f, 0.0f}), STEER_UNIT_GAPS, 2, 4, {}), Error);
    CHECK_NOTHROW(strength_scale(*opposed, STEER_UNIT_RELATIVE, 2, 4, {}));
}

TEST_CASE("a calibration survives being written", "[calibration]") {
    Calibration c = small();
    c.safe_pass = 0.45f, c.safe_fail = 0.6f, c.safe_rule = "kl", c.entropy_limits[1] = 1.0f / 3.0f;
    const std::string text = calibration_to_json(c);
    const CalibrationPtr again = calibration_from_json(text, 2, 4, "test");
    CHECK(calibration_to_json(*again) == text);
    CHECK(again->safe_pass == 0.45f);
    CHECK(std::isnan(again->slope_twin));
    CHECK_THROWS_AS(calibration_from_json(text, 2, 5, "test"), Error);
}
