#include "run/hold.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr float kDeadBand = 0.05f, kTokens = 32.0f;

} // namespace

void Hold::follow(const HoldSpec& spec, float target, float value) {
    if (std::isnan(value)) return;
    const float error = target - mean_.push(value);
    at_limit_ = false;
    if (std::fabs(error) <= kDeadBand) return;
    const float move = std::clamp(error / (kTokens * spec.slope), -spec.step_max, spec.step_max);
    const float wanted = strength_ + move;
    strength_ = std::clamp(wanted, spec.min, spec.max); // what lies beyond is not summed up
    at_limit_ = strength_ != wanted;
}

} // namespace steer
