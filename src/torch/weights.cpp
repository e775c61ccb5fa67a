#include "torch/weights.h"

#include "files/error.h"
#include "model/stored_linear.h"
#include "model/weight_bytes.h"
#include "torch/quantise.h"
#include "torch/repack.h"
#include "torch/weight_reader.h"

#include <algorithm>
#include <unordered_map>

namespace steer {
namespace {

// Of one load: every weight is looked at and read through it.
class Loader {
  public:
    Loader(const Package& package, const WeightFormat& format, at::Device device, const Progress& progress)
        : reader_(package, format.dtype, device, progress), format_(format), options_(at::TensorOptions(format.dtype).device(device)) {
        for (const WeightShape& weight : expected_weights(package.config))
            if (weight.is_linear) linears_.emplace(weight.name, find_linear(package, weight));
        if (packs_tied_head(package)) reader_.expect_again(package.weight("model.embed_tokens.weight"));
    }

    WeightReader& reader() { return reader_; }
    at::TensorOptions options() const { return options_; }

    bool packs(const std::string& name) const {
        return format_.packing != STEER_WEIGHTS_AS_STORED || linears_.at(name).form != QuantMethod::none;
    }

    bool packs_tied_head(const Package& package) const { return format_.packing != STEER_WEIGHTS_AS_STORED && package.config.tied_head; }

    PackedMatrix packed(const std::string& name) {
        const StoredLinear& linear = linears_.at(name);
        if (linear.form != QuantMethod::none)
            return repack(linear, [&](const WeightLocation& place) { return reader_.as_stored(place); });
        if (format_.packing != STEER_WEIGHTS_AS_STORED) return quantised(linear.codes, format_.packing, name);
        PackedMatrix plain; // beside others of its slot that are packed
        plain.columns = linear.columns;
        plain.codes = reader_.one(name);
        return plain;
    }

    PackedMatrix quantised(const WeightLocation& place, int32_t packing, const std::string& name) {
        const int64_t rows = place.tensor->shape[0], columns = place.tensor->shape[1];
        const std::string words = fmt::format("{}: weight {}", place.source->name(), name);
        PackedMatrix matrix = make_packed(quantise_form(packing), rows, columns, packing_group(packing, columns, words), reader_.device());
        reader_.visit_rows(place, [&](int64_t begin, const at::Tensor& numbers) { quantise_rows(matrix, begin, numbers, words); });
        return matrix;
    }

  private:
    WeightReader reader_;
    WeightFormat format_;
    at::TensorOptions options_;
    std::unordered_map<std::string, StoredLinear> linears_;
};

// The matrices of a slot: stacked into the block itself where none is packed, else into packed.
void load_slot(Loader& loader, size_t slot, const std::vector<std::string>& names, BlockWeights& block, PackedBlock& packed) {
    if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return loader.packs(name); })) {
        block.*kSlots[slot] = loader.reader().stacked(names);
        return;
    }
    for (const std::string& name : names) packed[slot].matrices.push_back(loader.packed(name));
}

BlockWeights load_block(Loader& loader, const ModelConfig& config, int32_t layer, PackedBlock& packed) {
    const std::string block = fmt::format("model.layers.{}.", layer), attention = block + "self_attn.", mlp = block + "mlp.";
    WeightReader& reader = loader.reader();
    BlockWeights weights;
    weights.input_norm = reader.one(block + "input_layernorm.weight");
    weights.post_norm = reader.one(block + "post_attention_layernorm.weight");
    load_slot(loader, 0, {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"}, weights, packed);
    load_slot(loader, 1, {attention + "o_proj.weight"}, weights, packed);
    load_slot(loader, 2, {mlp + "gate_proj.weight", mlp + "up_proj.weight"}, weights, packed);
    load_slot(loader, 3, {mlp + "down_proj.weight"}, weights, packed);
    if (config.qkv_bias)
        weights.qkv_bias = reader.stacked({attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"});
    if (config.qk_norm) {
        weights.q_norm = reader.one(attention + "q_norm.weight");
        weights.k_norm = reader.one(attention + "k_norm.weight");
    }
    return weights;
}

// Packed at load, it is int8 whatever the others are: what it says is the answer itself.
void load_head(Loader& loader, const Package& package, const WeightFormat& format, ModelWeights& weights) {
    const std::string name = package.config.tied_head ? "model.embed_tokens.weight" : "lm_head.weight";
    if (format.packing != STEER_WEIGHTS_AS_STORED)
        weights.packed.set_head(loader.quantised(package.weight(name), STEER_WEIGHTS_INT8, name), format.in_tiles);
    else if (package.config.tied_head) weights.head = weights.embedding;
    else if (loader.packs(name)) weights.packed.set_head(loader.packed(name), format.in_tiles);
    else weights.head = loader.reader().one(name);
}

} // namespace

ModelWeights load_weights(const Package& package, const WeightFormat& format, at::Device device, const Progress& progress) {
    Loader loader(package, format, device, progress);
    ModelWeights weights;
    weights.embedding = loader.reader().one("model.embed_tokens.weight");
    for (int32_t layer = 0; layer < package.config.layer_count; layer++) {
        PackedBlock packed;
        BlockWeights& block = weights.blocks.emplace_back(load_block(loader, package.config, layer, packed));
        weights.packed.add(std::move(packed), block, loader.options(), format.in_tiles);
    }
    weights.final_norm = loader.reader().one("model.norm.weight");
    load_head(loader, package, format, weights);
    loader.reader().finish();
    return weights;
}

} // namespace steer
