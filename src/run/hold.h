// A strength that follows a gauge (HoldSpec), token by token.
#pragma once

#include "run/smoothed.h"
#include "steer/compile_plan.h"

#include <cstdint>

namespace steer {

class Hold {
  public:
    explicit Hold(float start) : strength_(start) {}

    float strength() const { return strength_; }
    bool at_limit() const { return at_limit_; } // it would go on, and may not: the target is out of reach

    // After a sampled token; NaN: the gauge has no value, nothing moves.
    void follow(const HoldSpec& spec, float target, float value);
    void forget_readings() { mean_.clear(); }

  private:
    float strength_;
    RunningMean mean_{kHoldTokens};
    bool at_limit_ = false;
};

} // namespace steer
