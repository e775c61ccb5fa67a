#include "torch/sites.h"

#include "files/error.h"
#include "kernels/cpu/sample.h"
#include "torch/upload.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

namespace steer {
namespace {

StreamType stream_type(at::ScalarType dtype) {
    return dtype == at::kFloat ? StreamType::f32 : dtype == at::kHalf ? StreamType::f16 : StreamType::bf16;
}

} // namespace

Sites::Sites(const Batch& batch, const ModelConfig& config, at::ScalarType dtype, at::Device device)
    : batch_(batch), device_(device), kernel_(config.hidden_size, stream_type(dtype)) {
    const auto hidden = static_cast<size_t>(config.hidden_size);
    size_t probe_count = 0, own_count = 0;
    for (const BatchRow& row : batch.rows) {
        if (row.plan == nullptr) continue;
        idle_ = idle_ && row.plan->pushes.empty() && row.plan->probes.empty();
        probe_count += row.plan->probes.size();
        own_count += row.plan->reads_own;
    }
    readings_.resize(probe_count);
    pushed_.assign(own_count * hidden, 0.0f);
    size_t probe = 0, own = 0;
    for (const BatchRow& row : batch.rows) {
        const bool reads_own = row.plan != nullptr && row.plan->reads_own;
        rows_.push_back({row.plan, row.strengths, row.token_begin, row.token_count, readings_.data() + probe,
                         reads_own ? pushed_.data() + own++ * hidden : nullptr});
        if (row.plan != nullptr) probe += row.plan->probes.size();
    }
    for (const Capture& capture : batch.captures)
        captured_.push_back(at::zeros({capture.site_end - capture.site_begin, config.hidden_size}, device));
}

void Sites::visit(int32_t site, at::Tensor& x) {
    capture(site, x, Tap::before);
    if (!idle_) {
        if (device_.is_cpu()) {
            kernel_.visit(site, x.data_ptr(), batch_.chooses_reply, rows_);
        } else {
            at::Tensor host = x.cpu();
            kernel_.visit(site, host.data_ptr(), batch_.chooses_reply, rows_);
            x.copy_(host);
        }
    }
    capture(site, x, Tap::after);
}

void Sites::capture(int32_t site, const at::Tensor& x, Tap tap) {
    for (size_t i = 0; i < batch_.captures.size(); i++) {
        const Capture& capture = batch_.captures[i];
        if (capture.tap != tap || site < capture.site_begin || site >= capture.site_end) continue;
        const at::Tensor states = at::index_select(x, 0, upload<int64_t>(capture.tokens, device_)); // [n, H]
        captured_[i].select(0, site - capture.site_begin).add_(states.to(at::kFloat).sum(0));
    }
}

void Sites::finish(Results& results) {
    results.readings = std::move(readings_);
    for (size_t i = 0; i < captured_.size(); i++) {
        const at::Tensor sums = captured_[i].cpu();
        const float* from = sums.const_data_ptr<float>();
        for (int64_t j = 0; j < sums.numel(); j++) batch_.captures[i].sums[j] += from[j];
    }
}

void draw_and_score(const at::Tensor& logits, const Batch& batch, Results& results) {
    const at::Tensor host = logits.to(at::kFloat).cpu().contiguous();
    const float* values = host.const_data_ptr<float>();
    const auto vocab = static_cast<size_t>(host.size(1));
    for (size_t i = 0; i < batch.logit_rows.size(); i++) {
        if (batch.logit_rows[i].target < 0 && batch.logit_rows[i].top_count == 0) {
            results.scores.emplace_back();
            continue;
        }
        score_logits(values + i * vocab, static_cast<int32_t>(vocab), batch.logit_rows[i], results.scores.emplace_back());
    }
    for (const Draw& draw : batch.draws)
        draw_token(values + static_cast<size_t>(draw.logit_row) * vocab, draw, results.drawn.emplace_back());
    if (batch.logits != nullptr) std::copy_n(values, batch.logit_rows.size() * vocab, batch.logits);
}

} // namespace steer
