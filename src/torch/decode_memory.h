// What a decode step computes in, at places that stay: captured steps hold their addresses.
#pragma once

#include "kernels/cuda/decode.h"
#include "model/config.h"

#include <ATen/core/Tensor.h>

#include <vector>

namespace steer {

// Main memory that a device can reach.
class PinnedMemory {
  public:
    PinnedMemory() = default;
    ~PinnedMemory();
    PinnedMemory(const PinnedMemory&) = delete;
    PinnedMemory& operator=(const PinnedMemory&) = delete;

    bool grow(size_t bytes); // true: it is at a new place, with nothing in it
    template<class T> T* as() const { return static_cast<T*>(data_); } // the same address on the device
    size_t size() const { return size_; }

  private:
    void* data_ = nullptr;
    size_t size_ = 0;
};

class DecodeMemory {
  public:
    DecodeMemory(const ModelConfig& config, at::ScalarType dtype, at::Device device);

    // Room for a step's control and the tables behind it. True: control is at a new place.
    bool reserve_control(size_t bytes);
    void reserve_readings(size_t count);

    const cuda::DecodeMemory& places() const { return places_; }
    std::byte* control() const { return control_host_.as<std::byte>(); } // on the host, to be copied
    const std::byte* control_on_device() const { return reinterpret_cast<const std::byte*>(places_.control); }
    float* readings() const { return readings_.as<float>(); } // on the host
    float* readings_on_device() const { return readings_on_device_.data_ptr<float>(); }
    const cuda::DecodeDrawn& drawn(size_t row) const { return drawn_.as<cuda::DecodeDrawn>()[row]; }
    float* host_logits(); // [rows, vocab], taken when first asked for

  private:
    void* place(int64_t bytes); // zeroed

    at::Device device_;
    int64_t vocab_size_;
    std::vector<at::Tensor> owned_;
    at::Tensor control_, readings_on_device_;
    PinnedMemory control_host_, readings_, drawn_, logits_;
    cuda::DecodeMemory places_{};
};

} // namespace steer
