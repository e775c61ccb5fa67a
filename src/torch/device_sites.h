// The batch's plans at the sites of one pass, on a CUDA device: tables are made on the host, travel in one copy, and each
// busy site is one kernel.
#pragma once

#include "kernels/cuda/site.h"
#include "torch/direction_cache.h"
#include "torch/sites.h"

namespace steer {

class DeviceSites : public Sites {
  public:
    DeviceSites(const Batch& batch, int32_t layer_count, int32_t hidden_size, at::Device device, DirectionCache& directions);

    void visit(int32_t site, at::Tensor& x) override;
    std::vector<float> readings() override; // waits for the device

  private:
    void add_site(const Batch& batch, int32_t site);
    void add_pushes(const BatchRow& row, int32_t site);
    void add_probes(const BatchRow& row, int32_t site, int32_t& next_reading);
    void send(const Batch& batch);

    at::Device device_;
    DirectionCache& directions_;
    int32_t hidden_size_;
    std::vector<int32_t> push_begin_, probe_begin_;
    std::vector<cuda::SitePush> pushes_;
    std::vector<cuda::SiteProbe> probes_;
    std::vector<int32_t> next_reading_; // [R], while the tables are made
    std::vector<uint8_t> busy_;         // [sites]
    at::Tensor blob_, pushed_, readings_;
    cuda::SiteTables tables_{};
};

} // namespace steer
