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
    std::vector<uint64_t> gate_bits() override;

  private:
    void add_site(const Batch& batch, int32_t site);
    void add_pushes(const BatchRow& row, int32_t site);
    void add_holds(const BatchRow& row, int32_t site);
    void add_probes(const BatchRow& row, int32_t site, int32_t& next_reading);
    void add_gates(const BatchRow& row, int32_t site);
    cuda::SiteScope scope(const BatchRow& row, const Push& push);
    void add_tokens(const Batch& batch);
    void send(const Batch& batch);

    at::Device device_;
    DirectionCache& directions_;
    int32_t hidden_size_;
    std::vector<int32_t> push_begin_, probe_begin_, hold_begin_, cosine_begin_, gate_begin_;
    std::vector<cuda::SitePush> pushes_;
    std::vector<cuda::SiteHold> holds_;
    std::vector<cuda::SiteGate> gates_;
    std::vector<double> cosines_;
    std::vector<uint64_t> groups_, gates_before_;
    std::vector<int32_t> row_of_, row_begin_, pushed_of_; // [T], [R + 1], [T]
    std::vector<uint8_t> last_;                           // [T]
    int32_t pushed_count_ = 0;
    std::vector<cuda::SiteProbe> probes_;
    std::vector<int32_t> next_reading_; // [R], while the tables are made
    std::vector<uint8_t> busy_;         // [sites]
    std::vector<cuda::SiteLoad> load_;  // [sites]
    at::Tensor blob_, pushed_, readings_, gate_bits_, gate_values_;
    cuda::SiteTables tables_{};
};

} // namespace steer
