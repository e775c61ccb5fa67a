// Weights of a GGUF file under the names of a Hugging Face checkpoint. ne[] has the dimension that lies together first, a
// shape of ours last: [N, K] there is K, N.
#include "files/error.h"
#include "files/quote.h"
#include "model/gguf_parts.h"
#include "model/package.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>

namespace steer {
namespace {

struct Names {
    std::string_view ours, gguf;
};

constexpr Names kOutside[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
};
constexpr Names kInLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},      {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},        {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},        {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},            {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},            {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},   {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},             {"mlp.down_proj.weight", "ffn_down.weight"},
};

template<size_t count>
std::string_view translate(const Names (&table)[count], std::string_view ours) {
    for (const Names& names : table)
        if (names.ours == ours) return names.gguf;
    fail(STEER_ERR_INTERNAL, "no GGUF name for weight {}", ours);
}

std::string gguf_name(std::string_view ours) { // model.layers.7.mlp.up_proj.weight -> blk.7.ffn_up.weight
    constexpr std::string_view layers = "model.layers.";
    if (!ours.starts_with(layers)) return std::string(translate(kOutside, ours));
    ours.remove_prefix(layers.size());
    const size_t dot = ours.find('.');
    return fmt::format("blk.{}.{}", ours.substr(0, dot), translate(kInLayer, ours.substr(dot + 1)));
}

TensorInfo locate(const GgufFile& file, const GgufTensor& tensor, const WeightShape& expected) {
    const std::vector<uint64_t>& ne = tensor.shape;
    const bool same = std::equal(ne.rbegin(), ne.rend(), expected.shape.begin(), expected.shape.end(),
                                 [](uint64_t theirs, int64_t ours) { return theirs == static_cast<uint64_t>(ours); });
    if (!same)
        fail(STEER_ERR_FORMAT, "{}: tensor {} has the dimensions [{}], the keys of the header ask for [{}]", file.name(),
             quote(tensor.name), fmt::join(ne, ", "), fmt::join(expected.shape.rbegin(), expected.shape.rend(), ", "));
    const std::optional<Dtype> dtype = gguf_dtype(tensor.type);
    if (!dtype)
        fail(STEER_ERR_UNSUPPORTED, "{}: tensor {}: GGUF type {} is not supported; F32, F16, BF16, Q4_0, Q8_0, Q4_K and "
                                    "Q6_K are: quantise the model to one of these", file.name(), quote(tensor.name),
             gguf_type_name(tensor.type));
    if (expected.shape.size() == 1 && dtype_is_block(*dtype))
        fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} is {}: norms and biases must be F32, F16 or BF16", file.name(),
             quote(tensor.name), dtype_name(*dtype));
    return {expected.name, *dtype, expected.shape, tensor.begin, tensor.begin + tensor.size};
}

} // namespace

const GgufTensor* find_gguf_tensor(const GgufFile& file, std::string_view name) {
    const auto& all = file.tensors();
    const auto at = std::find_if(all.begin(), all.end(), [&](const GgufTensor& tensor) { return tensor.name == name; });
    return at == all.end() ? nullptr : &*at;
}

std::vector<TensorInfo> gguf_weights(const GgufFile& file, const ModelConfig& config) {
    std::unordered_map<std::string_view, const GgufTensor*> by_name;
    for (const GgufTensor& tensor : file.tensors())
        if (!by_name.emplace(tensor.name, &tensor).second)
            fail(STEER_ERR_FORMAT, "{}: tensor {} stands twice in the header", file.name(), quote(tensor.name));
    std::vector<TensorInfo> weights;
    for (const WeightShape& expected : expected_weights(config)) {
        const std::string name = gguf_name(expected.name);
        const auto found = by_name.find(name);
        if (found == by_name.end())
            fail(STEER_ERR_FORMAT, "{}: tensor {} is missing: fetch the file again, or convert the model again", file.name(), name);
        weights.push_back(locate(file, *found->second, expected));
        by_name.erase(found);
    }
    for (const GgufTensor& tensor : file.tensors()) // in the file's order, so that the words are the same every time
        if (by_name.contains(tensor.name))
            fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} has no place in a {} of {} layers", file.name(), quote(tensor.name),
                 config.architecture, config.layer_count);
    return weights;
}

} // namespace steer
