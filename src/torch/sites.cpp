#include "torch/sites.h"

namespace steer {
namespace {

StreamType stream_type(at::ScalarType dtype) {
    return dtype == at::kFloat ? StreamType::f32 : dtype == at::kHalf ? StreamType::f16 : StreamType::bf16;
}

// How many of a row's tokens have a D that someone reads.
size_t tokens_of_own(const BatchRow& row) {
    if (row.plan == nullptr || !row.plan->reads_own) return 0;
    return row.plan->gates_own ? static_cast<size_t>(row.token_count) : 1;
}

} // namespace

HostSites::HostSites(const Batch& batch, int32_t hidden_size, at::ScalarType dtype)
    : chooses_reply_(batch.chooses_reply), kernel_(hidden_size, stream_type(dtype)) {
    size_t probe_count = 0, pushed_count = 0;
    for (const BatchRow& row : batch.rows) {
        if (row.plan == nullptr) continue;
        idle_ = idle_ && row.plan->pushes.empty() && row.plan->probes.empty() && row.plan->gates.empty();
        probe_count += row.plan->probes.size();
        pushed_count += tokens_of_own(row);
        if (!row.plan->gates.empty()) bits_.resize(batch.ids.size());
    }
    readings_.resize(probe_count);
    pushed_.assign(pushed_count * static_cast<size_t>(hidden_size), 0.0f);
    float *reading = readings_.data(), *pushed = pushed_.data();
    for (const BatchRow& row : batch.rows) {
        const size_t own = tokens_of_own(row);
        rows_.push_back({row.plan, row.strengths, row.token_begin, row.token_count, reading, own > 0 ? pushed : nullptr,
                         row.gating, row.gate_bits, bits_.empty() ? nullptr : &bits_[static_cast<size_t>(row.token_begin)]});
        reading += row.plan != nullptr ? row.plan->probes.size() : 0;
        pushed += own * static_cast<size_t>(hidden_size);
    }
}

void HostSites::visit(int32_t site, at::Tensor& x) {
    if (!idle_) kernel_.visit(site, x.data_ptr(), chooses_reply_, rows_);
}

} // namespace steer
