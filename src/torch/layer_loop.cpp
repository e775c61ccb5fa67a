#include "torch/layer_loop.h"

#include "torch/sites.h"
#include "torch/upload.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>

namespace steer {

LayerLoop::LayerLoop(const ModelConfig& config, ModelWeights weights, at::Device device)
    : config_(config),
      rope_(make_rope_table(config)),
      weights_(std::move(weights)),
      decoder_(config, weights_.blocks, device.is_cpu()),
      device_(device) {
    weights_.blocks.clear(); // the modules own them now
}

// T new tokens of R rows; H hidden size. A batch's rows are independent: each has its own cache, pushes and gauges.
void LayerLoop::run(const Batch& batch, const CachePool& cache, Results& results) {
    Sites sites(batch, config_, weights_.embedding.scalar_type(), device_);
    const PassTensors pass = pass_tensors(batch);

    at::Tensor x = at::index_select(weights_.embedding, 0, upload<int64_t>(batch.ids, device_)); // [T, H]
    sites.visit(-1, x);
    for (int32_t layer = 0; layer < config_.layer_count; layer++) {
        if (batch.cancelled != nullptr && batch.cancelled->load(std::memory_order_relaxed)) {
            results.cancelled = true;
            return;
        }
        x = decoder_.forward(layer, x, cache.layer(layer), pass); // [T, H]
        sites.visit(layer, x); // gauges, the pushes of this site, gauges
    }
    sites.finish(results);
    if (batch.logit_rows.empty()) return;

    std::vector<int32_t> wanted;
    for (const LogitRow& row : batch.logit_rows) wanted.push_back(row.token);
    const at::Tensor chosen = at::index_select(x, 0, upload<int64_t>(std::span<const int32_t>(wanted), device_)); // [n, H]
    const at::Tensor logits = at::linear(decoder_.norm(chosen, weights_.final_norm), weights_.head);           // [n, vocab]
    draw_and_score(logits, batch, results);
}

PassTensors LayerLoop::pass_tensors(const Batch& batch) const {
    PassTensors pass;
    std::vector<int64_t> block_of, offset_of;
    pass.row_begin.push_back(0);
    for (const BatchRow& row : batch.rows) {
        for (int32_t i = row.token_begin; i < row.token_begin + row.token_count; i++) {
            const int32_t position = batch.positions[static_cast<size_t>(i)];
            block_of.push_back(row.blocks[static_cast<size_t>(position / kBlockSize)]);
            offset_of.push_back(position % kBlockSize);
        }
        pass.row_begin.push_back(row.token_begin + row.token_count);
        pass.kv_len.push_back(row.kv_len);
        pass.row_blocks.push_back(upload<int64_t>(row.blocks, device_));
    }
    pass.block_of = upload<int64_t>(std::span<const int64_t>(block_of), device_);
    pass.offset_of = upload<int64_t>(std::span<const int64_t>(offset_of), device_);

    const at::Tensor positions = upload<float>(batch.positions, device_).unsqueeze(1);                             // [T, 1]
    const at::Tensor half = positions * upload<float>(std::span<const float>(rope_.frequencies), device_);         // [T, D/2]
    const at::Tensor angles = at::cat({half, half}, 1).unsqueeze(1);                                              // [T, 1, D]
    const at::ScalarType dtype = weights_.embedding.scalar_type();
    pass.cos = (angles.cos() * rope_.scale).to(dtype);
    pass.sin = (angles.sin() * rope_.scale).to(dtype);
    return pass;
}

} // namespace steer
