// The running means that the guard and hold look at: exponential weights, divided by their sum so far, so that a mean of few
// values is no guess from the first of them.
#pragma once

#include <cstdint>

namespace steer {

constexpr int kEntropyTokens = 8, kSurpriseTokens = 16, kHoldTokens = 16;

class RunningMean {
  public:
    explicit RunningMean(int tokens) : share_(2.0f / (static_cast<float>(tokens) + 1.0f)) {} // the usual weight of so many

    float push(float value) {
        weight_ = weight_ * (1.0f - share_) + 1.0f;
        mean_ += (value - mean_) / weight_;
        count_++;
        return mean_;
    }
    int32_t count() const { return count_; } // of values it has seen
    void clear() { weight_ = 0.0f, count_ = 0; }

  private:
    float share_, mean_ = 0.0f, weight_ = 0.0f;
    int32_t count_ = 0;
};

} // namespace steer
