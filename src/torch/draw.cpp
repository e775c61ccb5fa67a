#include "torch/draw.h"

#include "kernels/cpu/sample.h"

#include <algorithm>

namespace steer {

void draw_and_score(const at::Tensor& logits, const Batch& batch, Results& results) {
    const at::Tensor host = logits.to(at::kFloat).cpu().contiguous();
    const float* values = host.const_data_ptr<float>();
    const auto vocab = static_cast<size_t>(host.size(1));
    for (size_t i = 0; i < batch.logit_rows.size(); i++) {
        const LogitRow& row = batch.logit_rows[i];
        Score& score = results.scores.emplace_back();
        if (row.target >= 0 || row.top_count > 0) score_logits(values + i * vocab, static_cast<int32_t>(vocab), row, score);
    }
    const auto row = [&](int32_t index) { return index < 0 ? nullptr : values + static_cast<size_t>(index) * vocab; };
    for (const Draw& draw : batch.draws)
        draw_token(row(draw.logit_row), row(draw.twin_logit_row), draw, results.drawn.emplace_back());
    if (batch.logits != nullptr) std::copy_n(values, batch.logit_rows.size() * vocab, batch.logits);
}

} // namespace steer
