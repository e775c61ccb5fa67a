// From a reading at one layer to what the gauge shows of it: corrected for the stream's answer to the push, and on the
// calibrated scale.
#pragma once

#include "steer/compile_plan.h"

#include <span>

namespace steer {

struct PushInForce {
    const InjectionSpec* spec;
    int32_t lowest_site;
    float strength;
};

// NaN where it is not defined: a correction for a push whose response was not measured (another vector's, other layers, a raw
// strength, beyond the measured strengths); a calibrated raw reading that holds a push.
float gauge_value(const GaugeSpec& gauge, int32_t layer, float reading, std::span<const PushInForce> pushes, bool push_free);

} // namespace steer
