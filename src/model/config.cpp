#include "model/config.h"

#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace steer {
namespace {

constexpr int64_t kCountMax = 1 << 21; // no size in a config is larger, so that a product of three fits 64 bits

int32_t count(const Json& json, const char* field, const std::string& name) {
    return static_cast<int32_t>(get_int(json, field, name, 1, kCountMax));
}

int32_t count_or(const Json& json, const char* field, int32_t absent, const std::string& name) {
    return static_cast<int32_t>(get_int_or(json, field, name, 1, kCountMax, absent));
}

double number_or(const Json& json, const char* field, double absent, const std::string& name) {
    return get_double_or(json, field, name, -1e30, 1e30, absent);
}

std::string architecture(const Json& json, const std::string& name) {
    const Json& names = get_array(json, "architectures", name);
    if (names.empty() || !names.front().is_string())
        fail(STEER_ERR_FORMAT, "{}: \"architectures\" must be a list with one name", name);
    auto said = names.front().get<std::string>();
    if (said != "Qwen2ForCausalLM" && said != "Qwen3ForCausalLM")
        fail(STEER_ERR_UNSUPPORTED, "{}: architecture {} is not supported; Qwen2ForCausalLM and Qwen3ForCausalLM are", name,
             quote(said));
    return said;
}

// Features of these families that no released Qwen2.5 or Qwen3 text checkpoint uses, or that come later.
void refuse_what_is_not_built(const Json& json, const std::string& name) {
    if (get_bool_or(json, "use_sliding_window", name, false))
        fail(STEER_ERR_UNSUPPORTED, "{}: \"use_sliding_window\": true is not supported", name);
    if (get_bool_or(json, "attention_bias", name, false))
        fail(STEER_ERR_UNSUPPORTED, "{}: \"attention_bias\": true is not supported", name);
    if (get_string_or(json, "hidden_act", name, "silu") != "silu")
        fail(STEER_ERR_UNSUPPORTED, "{}: \"hidden_act\" must be \"silu\"", name);
}

// Newer files hold everything in "rope_parameters"; older ones "rope_theta" beside "rope_scaling".
RopeConfig parse_rope(const Json& json, int32_t context_max, const std::string& name) {
    static const Json none = Json::object();
    const auto object = [&](const char* field) -> const Json& {
        const Json* found = find_field(json, field);
        return found == nullptr || found->is_null() ? none : get_object(json, field, name);
    };
    const Json& newer = object("rope_parameters");
    const Json& scaling = newer.empty() ? object("rope_scaling") : newer;

    RopeConfig rope;
    rope.theta = number_or(newer, "rope_theta", number_or(json, "rope_theta", rope.theta, name), name);
    if (!(rope.theta > 1.0)) fail(STEER_ERR_FORMAT, "{}: \"rope_theta\" must be above 1", name);

    const std::string kind = get_string_or(scaling, "rope_type", name, get_string_or(scaling, "type", name, "default"));
    if (kind == "default") return rope;
    if (kind != "yarn")
        fail(STEER_ERR_UNSUPPORTED, "{}: rope type {} is not supported; \"default\" and \"yarn\" are", name, quote(kind));
    if (number_or(scaling, "partial_rotary_factor", 1.0, name) != 1.0)
        fail(STEER_ERR_UNSUPPORTED, "{}: \"partial_rotary_factor\" is not supported", name);
    rope.yarn = true;
    rope.original_context = count_or(scaling, "original_max_position_embeddings", context_max, name);
    rope.factor = number_or(scaling, "factor", 0.0, name);
    rope.beta_fast = number_or(scaling, "beta_fast", rope.beta_fast, name);
    rope.beta_slow = number_or(scaling, "beta_slow", rope.beta_slow, name);
    rope.attention_factor = number_or(scaling, "attention_factor", 0.0, name);
    rope.mscale = number_or(scaling, "mscale", 0.0, name);
    rope.mscale_all_dim = number_or(scaling, "mscale_all_dim", 0.0, name);
    rope.truncate = get_bool_or(scaling, "truncate", name, true);
    if (rope.attention_factor < 0.0) fail(STEER_ERR_FORMAT, "{}: \"attention_factor\" of YaRN is negative", name);
    if (!(rope.factor >= 1.0)) fail(STEER_ERR_FORMAT, "{}: \"factor\" of YaRN must be at least 1", name);
    if (!(rope.beta_fast > 0.0) || !(rope.beta_slow > 0.0))
        fail(STEER_ERR_FORMAT, "{}: \"beta_fast\" and \"beta_slow\" of YaRN must be above 0", name);
    return rope;
}

// Numbers that are possible alone can still make angles that are none.
void check_rope(const ModelConfig& config, const std::string& name) {
    const RopeTable table = make_rope_table(config);
    const bool finite = std::all_of(table.frequencies.begin(), table.frequencies.end(),
                                    [](float frequency) { return std::isfinite(frequency); });
    if (!finite || !(table.scale > 0.0f) || !std::isfinite(table.scale))
        fail(STEER_ERR_FORMAT, "{}: \"rope_theta\" and the numbers of \"rope_scaling\" make no finite angles", name);
}

} // namespace

ModelConfig parse_model_config(std::string_view text, const std::string& name) {
    const Json json = parse_json(text, name);
    if (!json.is_object()) fail(STEER_ERR_FORMAT, "{}: must be a JSON object", name);
    ModelConfig config;
    config.architecture = architecture(json, name);
    refuse_what_is_not_built(json, name);
    const bool qwen3 = config.architecture == "Qwen3ForCausalLM";
    config.qkv_bias = !qwen3;
    config.qk_norm = qwen3;
    config.layer_count = count(json, "num_hidden_layers", name);
    config.hidden_size = count(json, "hidden_size", name);
    config.ffn_size = count(json, "intermediate_size", name);
    config.head_count = count(json, "num_attention_heads", name);
    config.kv_head_count = count_or(json, "num_key_value_heads", config.head_count, name);
    config.head_dim = count_or(json, "head_dim", qwen3 ? 128 : config.hidden_size / config.head_count, name);
    config.vocab_size = count(json, "vocab_size", name);
    config.context_max = count_or(json, "max_position_embeddings", 32768, name);
    config.norm_eps = static_cast<float>(number_or(json, "rms_norm_eps", 1e-6, name));
    config.tied_head = get_bool_or(json, "tie_word_embeddings", name, false);
    config.quantisation = parse_quant_config(json, name);
    config.rope = parse_rope(json, config.context_max, name);

    if (config.layer_count > 4096) fail(STEER_ERR_FORMAT, "{}: \"num_hidden_layers\" is above 4096", name);
    if (config.head_count % config.kv_head_count != 0)
        fail(STEER_ERR_FORMAT, "{}: \"num_attention_heads\" {} is no multiple of \"num_key_value_heads\" {}", name,
             config.head_count, config.kv_head_count);
    if (config.head_dim < 2 || config.head_dim % 2 != 0 || config.head_dim > 1024)
        fail(STEER_ERR_FORMAT, "{}: \"head_dim\" {} must be even, at least 2 and at most 1024", name, config.head_dim);
    if (config.head_count > kCountMax / config.head_dim)
        fail(STEER_ERR_FORMAT, "{}: \"num_attention_heads\" {} times \"head_dim\" {} is above {}", name, config.head_count,
             config.head_dim, kCountMax);
    if (config.norm_eps < 0.0f) fail(STEER_ERR_FORMAT, "{}: \"rms_norm_eps\" is negative", name);
    check_rope(config, name);
    return config;
}

namespace {

// How much larger attention scores of YaRN are made, arXiv 2309.00071 section 3.4.
double yarn_scale(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

// The dimension whose wave turns `rotations` times over the original context.
double yarn_dimension(double rotations, const RopeConfig& rope, int32_t head_dim) {
    return head_dim * std::log(rope.original_context / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(rope.theta));
}

} // namespace

RopeTable make_rope_table(const ModelConfig& config) {
    const RopeConfig& rope = config.rope;
    const int32_t half = config.head_dim / 2;
    RopeTable table;
    table.frequencies.resize(static_cast<size_t>(half));
    for (int32_t i = 0; i < half; i++) {
        const float exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_dim);
        table.frequencies[static_cast<size_t>(i)] = 1.0f / std::pow(static_cast<float>(rope.theta), exponent);
    }
    if (!rope.yarn) return table;

    table.scale = static_cast<float>(
        rope.attention_factor != 0.0 ? rope.attention_factor
        : rope.mscale != 0.0 && rope.mscale_all_dim != 0.0
            ? yarn_scale(rope.factor, rope.mscale) / yarn_scale(rope.factor, rope.mscale_all_dim)
            : yarn_scale(rope.factor, 1.0));
    double low = yarn_dimension(rope.beta_fast, rope, config.head_dim);
    double high = yarn_dimension(rope.beta_slow, rope, config.head_dim);
    if (rope.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, config.head_dim - 1.0);
    if (low == high) high += 0.001;
    for (int32_t i = 0; i < half; i++) { // fast waves stay, slow ones are stretched by the factor
        float& frequency = table.frequencies[static_cast<size_t>(i)];
        const float slow = std::clamp(static_cast<float>((i - low) / (high - low)), 0.0f, 1.0f);
        frequency = frequency / static_cast<float>(rope.factor) * slow + frequency * (1.0f - slow);
    }
    return table;
}

} // namespace steer
