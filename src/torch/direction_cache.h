// Copies of plan directions that stay on the device from pass to pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <unordered_map>
#include <vector>

namespace steer {

class DirectionCache {
  public:
    // direction [size]; key as in Push::direction_key
    const float* on_device(const float* direction, uint64_t key, int32_t size, at::Device device);
    void begin_pass(); // frees what the last pass alone needed, and everything when it has grown too large

  private:
    std::unordered_map<uint64_t, at::Tensor> kept_;
    std::vector<at::Tensor> for_this_pass_;
    uint64_t kept_bytes_ = 0;
};

} // namespace steer
