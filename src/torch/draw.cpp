#include "torch/draw.h"

#include "kernels/cpu/sample.h"

#include <algorithm>

namespace steer {

void draw_and_score(const at::Tensor& logits, const Batch& batch, Results& results) {
    const at::Tensor host = logits.to(at::kFloat).cpu().contiguous();
    const float* values = host.const_data_ptr<float>();
    const auto vocab = static_cast<size_t>(host.size(1));
    score(values, vocab, batch, results);
    for (const Draw& each : batch.draws) draw(values, vocab, each, results.drawn.emplace_back());
}

void score(const float* logits, size_t vocab, const Batch& batch, Results& results) {
    for (size_t i = 0; i < batch.logit_rows.size(); i++) {
        const LogitRow& row = batch.logit_rows[i];
        Score& told = results.scores.emplace_back();
        if (row.target >= 0 || row.top_count > 0) score_logits(logits + i * vocab, static_cast<int32_t>(vocab), row, told);
    }
    if (batch.logits != nullptr) std::copy_n(logits, batch.logit_rows.size() * vocab, batch.logits);
}

void draw(const float* logits, size_t vocab, const Draw& draw, Drawn& drawn) {
    const auto row = [&](int32_t index) { return index < 0 ? nullptr : logits + static_cast<size_t>(index) * vocab; };
    draw_token(row(draw.logit_row), row(draw.twin_logit_row), draw, drawn);
}

} // namespace steer
