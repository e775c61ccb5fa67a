#include "torch/layer_loop.h"

#include "torch/captures.h"
#include "torch/draw.h"
#include "torch/observers.h"
#include "torch/sites.h"
#include "torch/upload.h"
#ifdef STEER_CUDA
#include "torch/decode_path.h"
#include "torch/device_sites.h"
#else
namespace steer {
class DecodePath {}; // there is none
} // namespace steer
#endif

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>

#include <limits>

namespace steer {

LayerLoop::LayerLoop(const ModelConfig& config, const DecoderCode& code, ModelWeights weights, at::Device device, bool fused)
    : config_(config),
      rope_(make_rope_table(config)),
      weights_(std::move(weights)),
      decoder_(config, code, weights_.blocks, device.is_cpu()),
      device_(device),
      // An archive's code need not be decoder.py's; packed weights may lie so that only the reference path reads them.
      fused_(fused && device.is_cuda() && code.archive.empty() && weights_.packed.all_in_tiles()) {
    weights_.blocks.clear(); // the modules own them now
}

LayerLoop::~LayerLoop() = default;

// T new tokens of R rows; H hidden size. A batch's rows are independent: each has its own cache, pushes and gauges.
void LayerLoop::run(const Batch& batch, const CachePool& cache, Results& results) {
    if (run_fused(batch, cache, results)) return;
    const PassTensors pass = pass_tensors(batch);
    const std::unique_ptr<Sites> plan = make_sites(batch);
    Captures captures(batch.captures, config_.hidden_size, device_);
    const auto visit = [&](int32_t site, at::Tensor& x) {
        captures.take(site, x, Tap::before);
        plan->visit(site, x); // gauges, the pushes of this site, gauges
        captures.take(site, x, Tap::after);
        show_to_observers(batch, site, x);
    };

    at::Tensor x = at::index_select(weights_.embedding, 0, upload<int64_t>(batch.ids, device_)); // [T, H]
    visit(-1, x);
    for (int32_t layer = 0; layer < config_.layer_count; layer++) {
        if (batch.is_cancelled()) {
            results.cancelled = true;
            return;
        }
        weights_.packed.unpack(layer); // quantised matrices, to where the block reads them
        x = decoder_.forward(layer, x, cache.layer(layer), pass); // [T, H]
        visit(layer, x);
    }
    if (!batch.logit_rows.empty()) draw_and_score(head(x, batch.logit_rows), batch, results);
    results.readings = plan->readings();
    results.gate_bits = plan->gate_bits();
    captures.finish();
}

bool LayerLoop::run_fused(const Batch& batch, const CachePool& cache, Results& results) {
#ifdef STEER_CUDA
    if (!fused_ || batch.is_cancelled()) return false;
    if (!decode_path_)
        decode_path_ = std::make_unique<DecodePath>(config_, rope_, weights_, decoder_.weights(), device_);
    if (!decode_path_->takes(batch)) return false;
    decode_path_->run(batch, cache, results);
    return true;
#else
    static_cast<void>(batch), static_cast<void>(cache), static_cast<void>(results);
    return false;
#endif
}

// x [T, H] -> logits [n, vocab] of the wanted tokens
at::Tensor LayerLoop::head(const at::Tensor& x, std::span<const LogitRow> wanted) {
    std::vector<int32_t> tokens;
    for (const LogitRow& row : wanted) tokens.push_back(row.token);
    const at::Tensor chosen = at::index_select(x, 0, upload<int64_t>(std::span<const int32_t>(tokens), device_)); // [n, H]
    const at::Tensor normed = decoder_.norm(chosen, weights_.final_norm);
    return weights_.packed.head().any() ? weights_.packed.head_logits(normed) : at::linear(normed, weights_.head);
}

void LayerLoop::move_weights(at::Device to, const std::function<void(uint64_t moved)>& progress) {
    uint64_t moved = 0;
    decode_path_.reset(); // it points to the weights where they are
    const auto move = [&](const at::Tensor& from) {
        at::Tensor there = from.to(to);
        moved += there.nbytes();
        progress(moved);
        return there;
    };
    std::vector<BlockWeights> blocks = decoder_.weights();
    for (size_t layer = 0; layer < blocks.size(); layer++) {
        for (size_t slot = 0; slot < kSlots.size(); slot++) // of what is packed there is nothing but room to move
            if (weights_.packed.slot(layer, slot).any()) blocks[layer].*kSlots[slot] = at::Tensor();
        for_each_weight(blocks[layer], [&](const char*, auto& weight) {
            if constexpr (std::is_same_v<decltype(weight), at::Tensor&>) weight = weight.defined() ? move(weight) : weight;
            else if (weight) weight = move(*weight);
        });
    }
    PackedWeights packed = weights_.packed.moved(move, blocks, to);
    const bool tied = weights_.head.is_same(weights_.embedding);
    at::Tensor embedding = move(weights_.embedding), final_norm = move(weights_.final_norm);
    at::Tensor head = tied ? embedding : weights_.head.defined() ? move(weights_.head) : at::Tensor();
    progress(std::numeric_limits<uint64_t>::max()); // all there, room for unpacking too: the last moment to stop
    decoder_.set_weights(blocks);
    weights_ = {embedding, final_norm, head, {}, std::move(packed)};
    directions_ = {};
}

std::unique_ptr<Sites> LayerLoop::make_sites(const Batch& batch) {
#ifdef STEER_CUDA
    if (device_.is_cuda())
        return std::make_unique<DeviceSites>(batch, config_.layer_count, config_.hidden_size, device_, directions_);
#endif
    return std::make_unique<HostSites>(batch, config_.hidden_size, weights_.embedding.scalar_type());
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
