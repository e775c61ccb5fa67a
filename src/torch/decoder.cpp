#include "torch/decoder.h"

#include "torch/decoder_module.h"

#include <torch/csrc/jit/runtime/graph_executor.h>

namespace steer {

namespace jit = torch::jit;

struct Decoder::Modules {
    std::vector<jit::Module> blocks;
};

namespace {

void set_block_weights(jit::Module& block, const BlockWeights& weights) {
    for_each_weight(weights, [&](const char* name, const auto& weight) { block.setattr(name, weight); });
}

} // namespace

// One class and many instances: executors profile and optimise by class, so a class for each block would make every first
// pass as many times slower.
Decoder::Decoder(const ModelConfig& config, const DecoderCode& code, const std::vector<BlockWeights>& blocks, bool fused_attention)
    : modules_(std::make_unique<Modules>()) {
    const jit::Module first = code.archive.empty() ? make_decoder_module(config, fused_attention)
                                                   : read_decoder_module(code.archive, code.name, config, fused_attention);
    for (size_t i = 0; i < blocks.size(); i++) {
        jit::Module block = i == 0 ? first : jit::Module(first._ivalue()->compilation_unit(), first.type());
        if (i > 0)
            for (const auto& attribute : first.named_attributes(/*recurse=*/false))
                block.setattr(attribute.name, attribute.value);
        set_block_weights(block, blocks[i]);
        modules_->blocks.push_back(block);
    }
}

Decoder::~Decoder() = default;

std::vector<BlockWeights> Decoder::weights() const {
    std::vector<BlockWeights> all;
    for (const jit::Module& block : modules_->blocks)
        for_each_weight(all.emplace_back(), [&](const char* name, auto& weight) {
            const c10::IValue value = block.attr(name);
            if (!value.isNone()) weight = value.toTensor();
        });
    return all;
}

void Decoder::set_weights(const std::vector<BlockWeights>& blocks) {
    for (size_t i = 0; i < blocks.size(); i++) set_block_weights(modules_->blocks[i], blocks[i]);
}

// As written, in this thread alone: the profiling executor would fuse on the GPU from the third pass on, which changes bits
// between the passes of one conversation and compiles anew for every shape.
at::Tensor Decoder::forward(int32_t layer, const at::Tensor& x, const at::Tensor& cache, const PassTensors& pass) {
    const jit::GraphOptimizerEnabledGuard as_written(false);
    return modules_->blocks[static_cast<size_t>(layer)]
        .forward({x, pass.cos, pass.sin, cache, pass.block_of, pass.offset_of, pass.row_blocks, pass.row_begin, pass.kv_len})
        .toTensor();
}

at::Tensor Decoder::norm(const at::Tensor& x, const at::Tensor& weight) {
    const jit::GraphOptimizerEnabledGuard as_written(false);
    return modules_->blocks.front().get_method("norm")({x, weight}).toTensor();
}

} // namespace steer
