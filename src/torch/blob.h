// Tables of a device, made on the host.
#pragma once

#include "kernels/cuda/site.h"
#include "steer/plan.h"
#include "torch/upload.h"

#include <cstring>
#include <vector>

namespace steer {

// Arrays of plain structs, one behind the other in bytes that travel in one copy.
class Blob {
  public:
    template<class T> size_t add(const std::vector<T>& values) {
        const size_t at = (bytes_.size() + 15) / 16 * 16;
        bytes_.resize(at + values.size() * sizeof(T));
        if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size() * sizeof(T));
        return at;
    }
    at::Tensor to(at::Device device) const { return upload<uint8_t>(std::span<const uint8_t>(bytes_), device); }

  private:
    std::vector<uint8_t> bytes_;
};

// direction: the probe's, on the device
inline cuda::SiteProbe site_probe(const Probe& probe, const float* direction, int32_t reading) {
    cuda::SiteProbe entry{};
    entry.direction = direction;
    entry.direction_norm = probe.direction_norm;
    entry.reading = reading;
    entry.after = probe.tap == Tap::after;
    entry.own = probe.own;
    entry.metric = static_cast<uint8_t>(probe.metric);
    return entry;
}

} // namespace steer
