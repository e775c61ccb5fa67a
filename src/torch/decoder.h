// The decoder's blocks as TorchScript modules: one class, an instance for each block. Only this file's .cpp knows of
// torch::jit, so that another compiler can take its place.
#pragma once

#include "model/config.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

namespace steer {

struct BlockWeights { // one decoder block's, packed; shapes in decoder.py
    at::Tensor input_norm, post_norm;
    at::Tensor qkv, o, gate_up, down;
    std::optional<at::Tensor> qkv_bias, q_norm, k_norm;
};

struct PassTensors { // what every block of a pass needs to know of it
    at::Tensor cos, sin;                // [T, 1, D]
    at::Tensor block_of, offset_of;     // [T] int64: where each new position lies in the cache
    std::vector<at::Tensor> row_blocks; // for each row: its cache blocks, int64
    std::vector<int64_t> row_begin;     // [R + 1], into T
    std::vector<int64_t> kv_len;        // [R]
};

class Decoder {
  public:
    Decoder(const ModelConfig& config, const std::vector<BlockWeights>& blocks, bool fused_attention);
    ~Decoder();

    // x [T, H], cache [blocks, 2, Hkv, 64, D] -> [T, H]
    at::Tensor forward(int32_t layer, const at::Tensor& x, const at::Tensor& cache, const PassTensors& pass);

    // RMSNorm as the blocks have it, for the head. x [n, H], weight [H]
    at::Tensor norm(const at::Tensor& x, const at::Tensor& weight);

  private:
    struct Modules;
    std::unique_ptr<Modules> modules_;
};

} // namespace steer
