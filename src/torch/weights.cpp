#include "torch/weights.h"

#include "files/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace steer {
namespace {

constexpr uint64_t kChunkBytes = 8u << 20; // read at a time where a weight has to be converted or copied to a device

at::ScalarType scalar_type(Dtype dtype, const std::string& name) {
    switch (dtype) {
    case Dtype::f32: return at::kFloat;
    case Dtype::f16: return at::kHalf;
    case Dtype::bf16: return at::kBFloat16;
    default: fail(STEER_ERR_UNSUPPORTED, "{}: weights must be stored as F32, F16 or BF16", name);
    }
}

// Fills tensors with named weights, counting bytes for the progress.
class Reader {
  public:
    Reader(const Package& package, at::ScalarType dtype, at::Device device, const Progress& progress)
        : package_(package), options_(at::TensorOptions().dtype(dtype).device(device)), progress_(progress) {
        for (const auto& [name, place] : package.weights) total_ += place.tensor->size();
    }

    // The weights one below the other: [sum of rows, ...]
    at::Tensor packed(std::initializer_list<std::string> names) {
        int64_t rows = 0;
        std::vector<int64_t> shape;
        for (const std::string& name : names) {
            shape = package_.weight(name).tensor->shape;
            rows += shape[0];
        }
        shape[0] = rows;
        at::Tensor whole = at::empty(shape, options_);
        int64_t row = 0;
        for (const std::string& name : names) {
            const int64_t count = package_.weight(name).tensor->shape[0];
            read(name, whole.narrow(0, row, count));
            row += count;
        }
        return whole;
    }

    at::Tensor one(const std::string& name) { return packed({name}); }

  private:
    void read(const std::string& name, at::Tensor target) {
        const WeightLocation& place = package_.weight(name);
        const at::ScalarType stored = scalar_type(place.tensor->dtype, name);
        const bool in_place = stored == target.scalar_type() && target.device().is_cpu();
        const uint64_t item = c10::elementSize(stored), size = place.tensor->size();
        at::Tensor flat = target.view({-1});
        for (uint64_t at = 0; at < size; at += kChunkBytes) {
            const uint64_t bytes = std::min(kChunkBytes, size - at);
            if (in_place) {
                place.read(at, static_cast<char*>(flat.data_ptr()) + at, bytes);
            } else {
                chunk_.resize(kChunkBytes);
                place.read(at, chunk_.data(), bytes);
                const auto count = static_cast<int64_t>(bytes / item);
                flat.narrow(0, static_cast<int64_t>(at / item), count).copy_(at::from_blob(chunk_.data(), {count}, stored));
            }
            advance(bytes);
        }
    }

    void advance(uint64_t bytes) {
        done_ += bytes;
        if (progress_ && !progress_(static_cast<float>(done_) / static_cast<float>(total_)))
            fail(STEER_ERR_CANCELLED, "loading {} was cancelled by the progress callback", package_.folder);
    }

    const Package& package_;
    at::TensorOptions options_;
    const Progress& progress_;
    std::vector<char> chunk_;
    uint64_t done_ = 0, total_ = 0;
};

BlockWeights load_block(Reader& reader, const ModelConfig& config, int32_t layer) {
    const std::string block = fmt::format("model.layers.{}.", layer), attention = block + "self_attn.", mlp = block + "mlp.";
    BlockWeights weights;
    weights.input_norm = reader.one(block + "input_layernorm.weight");
    weights.post_norm = reader.one(block + "post_attention_layernorm.weight");
    weights.qkv = reader.packed({attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"});
    weights.o = reader.one(attention + "o_proj.weight");
    weights.gate_up = reader.packed({mlp + "gate_proj.weight", mlp + "up_proj.weight"});
    weights.down = reader.one(mlp + "down_proj.weight");
    if (config.qkv_bias)
        weights.qkv_bias = reader.packed({attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"});
    if (config.qk_norm) {
        weights.q_norm = reader.one(attention + "q_norm.weight");
        weights.k_norm = reader.one(attention + "k_norm.weight");
    }
    return weights;
}

} // namespace

ModelWeights load_weights(const Package& package, at::ScalarType dtype, at::Device device, const Progress& progress) {
    Reader reader(package, dtype, device, progress);
    ModelWeights weights;
    weights.embedding = reader.one("model.embed_tokens.weight");
    for (int32_t layer = 0; layer < package.config.layer_count; layer++)
        weights.blocks.push_back(load_block(reader, package.config, layer));
    weights.final_norm = reader.one("model.norm.weight");
    weights.head = package.config.tied_head ? weights.embedding : reader.one("lm_head.weight");
    return weights;
}

uint64_t weight_bytes(const ModelConfig& config, at::ScalarType dtype) {
    uint64_t count = 0;
    for (const WeightShape& weight : expected_weights(config)) {
        uint64_t elements = 1;
        for (const int64_t extent : weight.shape) elements *= static_cast<uint64_t>(extent);
        count += elements;
    }
    return count * c10::elementSize(dtype);
}

} // namespace steer
