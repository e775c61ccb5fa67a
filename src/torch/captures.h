// States of the residual stream, summed over tokens or of each token, for extraction and calibration.
#pragma once

#include "model/backend.h"

#include <ATen/core/Tensor.h>

namespace steer {

class Captures {
  public:
    Captures(std::span<const Capture> wanted, int32_t hidden_size, at::Device device);

    void take(int32_t site, const at::Tensor& x, Tap tap); // x [T, H]
    void finish();                                         // adds the sums to their owners' memory

  private:
    std::span<const Capture> wanted_;
    std::vector<at::Tensor> tokens_, sums_; // for each: [n] int64, [n or 1, sites, H] float32, on the device
};

} // namespace steer
