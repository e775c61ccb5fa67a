// The batch's plans at the sites of one pass, and the draw at its end.
#pragma once

#include "kernels/cpu/site.h"
#include "model/backend.h"
#include "model/config.h"

#include <ATen/core/Tensor.h>

namespace steer {

class Sites {
  public:
    Sites(const Batch& batch, const ModelConfig& config, at::ScalarType dtype, at::Device device);

    void visit(int32_t site, at::Tensor& x); // x [T, H], pushed in place
    void finish(Results& results);           // readings to results, captured sums to their owners

  private:
    void capture(int32_t site, const at::Tensor& x, Tap tap);

    const Batch& batch_;
    at::Device device_;
    std::vector<float> readings_, pushed_; // [probes of all rows], [R, H]
    std::vector<SiteRow> rows_;
    SiteKernel kernel_;
    std::vector<at::Tensor> captured_; // for each capture [sites, H], float32 on the device
    bool idle_ = true;                 // no row pushes or reads anything
};

// logits [logit rows, vocab]
void draw_and_score(const at::Tensor& logits, const Batch& batch, Results& results);

} // namespace steer
