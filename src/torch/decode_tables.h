// What rows push and read, as the kernels of a decode step see it. Directions stay on the device from step to step; the
// tables are made anew when a plan changes, and only strengths are written in a step where none has.
#pragma once

#include "kernels/cuda/decode.h"
#include "model/backend.h"
#include "torch/direction_cache.h"

namespace steer {

class DecodeTables {
  public:
    DecodeTables(int32_t layer_count, int32_t hidden_size, at::Device device)
        : layer_count_(layer_count), hidden_size_(hidden_size), device_(device) {}

    void update(const Batch& batch);

    const std::vector<cuda::DecodeSite>& sites() const { return sites_; } // [sites, kDecodeRowsMax]
    const std::vector<cuda::DecodePush>& pushes() const { return pushes_; }
    const std::vector<cuda::SiteProbe>& probes() const { return probes_; }

  private:
    bool are_current(const Batch& batch) const;
    void make(const Batch& batch);
    void add_row(const RowPlan& plan, int32_t site, int32_t& next_reading);
    cuda::DecodeSite site_of(int32_t push_begin, int32_t probe_begin, bool reads_own) const;
    void set_amounts(const Batch& batch);

    int32_t layer_count_, hidden_size_;
    at::Device device_;
    DirectionCache directions_;
    std::vector<std::vector<Push>> pushes_made_; // what the tables were made of, by row
    std::vector<std::vector<Probe>> probes_made_;
    std::vector<cuda::DecodeSite> sites_;
    std::vector<cuda::DecodePush> pushes_;
    std::vector<cuda::SiteProbe> probes_;
};

} // namespace steer
