// The batch's plans at the sites of one pass.
#pragma once

#include "kernels/cpu/site.h"
#include "model/backend.h"

#include <ATen/core/Tensor.h>

namespace steer {

class Sites {
  public:
    virtual ~Sites() = default;
    virtual void visit(int32_t site, at::Tensor& x) = 0; // x [T, H], pushed in place
    virtual std::vector<float> readings() = 0;           // of all probes, row after row; once, after the last site
    virtual std::vector<uint64_t> gate_bits() = 0;       // as Results has them; once, after the last site
};

class HostSites : public Sites {
  public:
    HostSites(const Batch& batch, int32_t hidden_size, at::ScalarType dtype);

    void visit(int32_t site, at::Tensor& x) override;
    std::vector<float> readings() override { return std::move(readings_); }
    std::vector<uint64_t> gate_bits() override { return std::move(bits_); }

  private:
    std::span<const uint8_t> chooses_reply_;
    std::vector<float> readings_, pushed_; // [probes of all rows], [tokens whose D is read, H]
    std::vector<uint64_t> bits_;           // [T], empty without gates
    std::vector<SiteRow> rows_;
    SiteKernel kernel_;
    bool idle_ = true; // no row pushes or reads anything
};

} // namespace steer
