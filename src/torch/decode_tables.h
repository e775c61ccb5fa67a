// What rows push and read, as the kernels of a decode step see it. The tables stay on the device from step to step and are
// made anew when a plan changes; strengths are no part of them.
#pragma once

#include "kernels/cuda/decode.h"
#include "model/backend.h"
#include "torch/direction_cache.h"

namespace steer {

class DecodeTables {
  public:
    DecodeTables(int32_t layer_count, int32_t hidden_size, at::Device device)
        : layer_count_(layer_count), hidden_size_(hidden_size), device_(device) {}

    // Fills the tables' part of control; amounts become those of this step, in the tables' order.
    void update(const Batch& batch, cuda::DecodeControl& control, std::vector<float>& amounts);

  private:
    bool are_current(const Batch& batch) const;
    void make(const Batch& batch);
    void add_row(const BatchRow& row, int32_t site, int32_t& next_reading);
    void send();

    int32_t layer_count_, hidden_size_;
    at::Device device_;
    DirectionCache directions_;
    std::vector<std::vector<Push>> pushes_made_; // what the tables were made of, by row
    std::vector<std::vector<Probe>> probes_made_;
    std::vector<int32_t> push_begin_, probe_begin_;
    std::vector<cuda::DecodePush> pushes_;
    std::vector<cuda::SiteProbe> probes_;
    int32_t reading_count_ = 0;
    at::Tensor blob_, readings_;
    cuda::DecodeControl placed_{}; // where the tables lie
};

} // namespace steer
