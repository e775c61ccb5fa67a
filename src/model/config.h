// config.json of a Qwen2 or Qwen3 checkpoint, read into what the decoder needs.
#pragma once

#include "model/quantisation.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct RopeConfig {
    double theta = 10000.0;
    bool yarn = false; // Yet another RoPE extensioN, arXiv 2309.00071
    double factor = 1.0, beta_fast = 32.0, beta_slow = 1.0, attention_factor = 0.0; // 0: 0.1 ln(factor) + 1
    double mscale = 0.0, mscale_all_dim = 0.0;
    bool truncate = true;
    int32_t original_context = 0;
};

struct ModelConfig {
    std::string architecture; // "Qwen2ForCausalLM" or "Qwen3ForCausalLM"
    int32_t layer_count = 0, hidden_size = 0, ffn_size = 0;
    int32_t head_count = 0, kv_head_count = 0, head_dim = 0;
    int32_t vocab_size = 0; // rows of the embedding, padding included
    int32_t context_max = 0;
    float norm_eps = 1e-6f;
    bool tied_head = false; // the head is the embedding
    bool qkv_bias = false;  // Qwen2
    bool qk_norm = false;   // Qwen3
    RopeConfig rope;
    QuantConfig quantisation;

    int32_t query_size() const { return head_count * head_dim; }
    int32_t kv_size() const { return kv_head_count * head_dim; }
};

ModelConfig parse_model_config(std::string_view json, const std::string& name);

// Frequencies of the rotary embedding, [head_dim / 2], and the factor on its cosines and sines.
struct RopeTable {
    std::vector<float> frequencies;
    float scale = 1.0f;
};
RopeTable make_rope_table(const ModelConfig& config);

} // namespace steer
