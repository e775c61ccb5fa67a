#include "torch/decoder.h"

#include "decoder_source.h" // decoder.py as text, made by CMake

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

namespace steer {

namespace jit = torch::jit;

struct Decoder::Modules {
    std::vector<jit::Module> blocks;
};

namespace {

// Declares what decoder.py's methods find on self. The sizes are the same in every block.
void declare(jit::Module& block, const ModelConfig& config, bool fused_attention) {
    block.register_attribute("head_count", c10::IntType::get(), int64_t{config.head_count});
    block.register_attribute("kv_head_count", c10::IntType::get(), int64_t{config.kv_head_count});
    block.register_attribute("head_dim", c10::IntType::get(), int64_t{config.head_dim});
    block.register_attribute("norm_eps", c10::FloatType::get(), double{config.norm_eps});
    block.register_attribute("fused_attention", c10::BoolType::get(), fused_attention);
    for (const char* name : {"input_norm", "post_norm", "qkv", "o", "gate_up", "down"})
        block.register_attribute(name, c10::TensorType::get(), at::Tensor());
    for (const char* name : {"qkv_bias", "q_norm", "k_norm"})
        block.register_attribute(name, c10::OptionalType::ofTensor(), c10::IValue());
}

void set_weights(jit::Module& block, const BlockWeights& weights) {
    block.setattr("input_norm", weights.input_norm);
    block.setattr("post_norm", weights.post_norm);
    block.setattr("qkv", weights.qkv);
    block.setattr("o", weights.o);
    block.setattr("gate_up", weights.gate_up);
    block.setattr("down", weights.down);
    block.setattr("qkv_bias", weights.qkv_bias);
    block.setattr("q_norm", weights.q_norm);
    block.setattr("k_norm", weights.k_norm);
}

} // namespace

// One class and many instances: executors profile and optimise by class, so a class for each block would make every first
// pass as many times slower.
Decoder::Decoder(const ModelConfig& config, const std::vector<BlockWeights>& blocks, bool fused_attention)
    : modules_(std::make_unique<Modules>()) {
    jit::Module first("SteerDecoderBlock");
    declare(first, config, fused_attention);
    first.define(kDecoderSource);
    for (size_t i = 0; i < blocks.size(); i++) {
        jit::Module block = i == 0 ? first : jit::Module(first._ivalue()->compilation_unit(), first.type());
        if (i > 0)
            for (const auto& attribute : first.named_attributes(/*recurse=*/false))
                block.setattr(attribute.name, attribute.value);
        set_weights(block, blocks[i]);
        modules_->blocks.push_back(block);
    }
}

Decoder::~Decoder() = default;

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
