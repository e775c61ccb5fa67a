#include "torch/sites.h"

namespace steer {
namespace {

StreamType stream_type(at::ScalarType dtype) {
    return dtype == at::kFloat ? StreamType::f32 : dtype == at::kHalf ? StreamType::f16 : StreamType::bf16;
}

} // namespace

HostSites::HostSites(const Batch& batch, int32_t hidden_size, at::ScalarType dtype)
    : chooses_reply_(batch.chooses_reply), kernel_(hidden_size, stream_type(dtype)) {
    size_t probe_count = 0, own_count = 0;
    for (const BatchRow& row : batch.rows) {
        if (row.plan == nullptr) continue;
        idle_ = idle_ && row.plan->pushes.empty() && row.plan->probes.empty();
        probe_count += row.plan->probes.size();
        own_count += row.plan->reads_own;
    }
    readings_.resize(probe_count);
    pushed_.assign(own_count * static_cast<size_t>(hidden_size), 0.0f);
    float *reading = readings_.data(), *pushed = pushed_.data();
    for (const BatchRow& row : batch.rows) {
        const bool reads_own = row.plan != nullptr && row.plan->reads_own;
        rows_.push_back({row.plan, row.strengths, row.token_begin, row.token_count, reading, reads_own ? pushed : nullptr});
        reading += row.plan != nullptr ? row.plan->probes.size() : 0;
        pushed += reads_own ? hidden_size : 0;
    }
}

void HostSites::visit(int32_t site, at::Tensor& x) {
    if (!idle_) kernel_.visit(site, x.data_ptr(), chooses_reply_, rows_);
}

} // namespace steer
