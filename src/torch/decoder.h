// The decoder's blocks as TorchScript modules: one class, an instance for each block. Only this file's .cpp and
// decoder_module know of torch::jit, so that another compiler can take its place.
#pragma once

#include "model/config.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace steer {

struct BlockWeights { // one decoder block's, packed; shapes in decoder.py
    at::Tensor input_norm, post_norm;
    at::Tensor qkv, o, gate_up, down;
    std::optional<at::Tensor> qkv_bias, q_norm, k_norm;
};

// The one list of a block's weights, by their names in decoder.py: visit(name, tensor or optional tensor).
template<class Weights, class Visit> void for_each_weight(Weights& weights, Visit visit) {
    visit("input_norm", weights.input_norm);
    visit("post_norm", weights.post_norm);
    visit("qkv", weights.qkv);
    visit("o", weights.o);
    visit("gate_up", weights.gate_up);
    visit("down", weights.down);
    visit("qkv_bias", weights.qkv_bias);
    visit("q_norm", weights.q_norm);
    visit("k_norm", weights.k_norm);
}

struct PassTensors { // what every block of a pass needs to know of it
    at::Tensor cos, sin;                // [T, 1, D]
    at::Tensor block_of, offset_of;     // [T] int64: where each new position lies in the cache
    std::vector<at::Tensor> row_blocks; // for each row: its cache blocks, int64
    std::vector<int64_t> row_begin;     // [R + 1], into T
    std::vector<int64_t> kv_len;        // [R]
};

struct DecoderCode {
    std::string archive; // TorchScript that the host has allowed; empty: decoder.py
    std::string name;    // of the archive, for messages
};

class Decoder {
  public:
    Decoder(const ModelConfig& config, const DecoderCode& code, const std::vector<BlockWeights>& blocks, bool fused_attention);
    ~Decoder();

    // x [T, H], cache [blocks, 2, Hkv, 64, D] -> [T, H]
    at::Tensor forward(int32_t layer, const at::Tensor& x, const at::Tensor& cache, const PassTensors& pass);

    // Every block's weights in the order of the blocks, to be moved; set_weights hands them back.
    std::vector<BlockWeights> weights() const;
    void set_weights(const std::vector<BlockWeights>& blocks);

    // RMSNorm as the blocks have it, for the head. x [n, H], weight [H]
    at::Tensor norm(const at::Tensor& x, const at::Tensor& weight);

  private:
    struct Modules;
    std::unique_ptr<Modules> modules_;
};

} // namespace steer
