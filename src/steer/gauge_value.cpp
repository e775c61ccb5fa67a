#include "steer/gauge_value.h"

namespace steer {
namespace {

bool has_known_response(const InjectionSpec& push, const Vector& vector) {
    const Calibration& c = *vector.calibration;
    return push.vector->fingerprint == vector.fingerprint && push.kind == PushKind::add && push.span == kSpanAll &&
           push.rows == STEER_ROWS_WRITE && push.layer_begin == c.band_begin && push.layer_end == c.band_end &&
           !std::isnan(push.relative);
}

// From what is read under these pushes to what would be read without.
Affine correction(const GaugeSpec& gauge, int32_t layer, std::span<const PushInForce> pushes) {
    const Vector& vector = *gauge.vector;
    const int32_t site = vector.measured_at(layer);
    float relative = 0.0f;
    for (const PushInForce& push : pushes) {
        if (push.strength == 0.0f || push.lowest_site > site) continue;
        if (!has_known_response(*push.spec, vector)) return {kUnknown, kUnknown};
        relative += push.strength * push.spec->relative;
    }
    if (relative == 0.0f) return {};
    return vector.calibration->correction(layer, static_cast<int32_t>(gauge.metric), relative);
}

} // namespace

float gauge_value(const GaugeSpec& gauge, int32_t layer, float reading, std::span<const PushInForce> pushes, bool push_free) {
    if (gauge.reading == Reading::corrected) reading = correction(gauge, layer, pushes)(reading);
    if (!gauge.calibrated) return reading;
    if (gauge.reading == Reading::raw && !push_free) return kUnknown;
    return gauge.vector->calibration->affine(layer, static_cast<int32_t>(gauge.metric), gauge.window)(reading);
}

} // namespace steer
