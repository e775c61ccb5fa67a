// The running means that the guard and hold look at: exponential, begun at the first value.
#pragma once

namespace steer {

constexpr int kEntropyTokens = 8, kSurpriseTokens = 16, kHoldTokens = 16;

class RunningMean {
  public:
    explicit RunningMean(int tokens) : share_(2.0f / (static_cast<float>(tokens) + 1.0f)) {} // the usual weight of so many

    float push(float value) {
        mean_ = begun_ ? mean_ + share_ * (value - mean_) : value;
        begun_ = true;
        return mean_;
    }
    float value() const { return mean_; }
    void clear() { begun_ = false; }

  private:
    float share_, mean_ = 0.0f;
    bool begun_ = false;
};

} // namespace steer
