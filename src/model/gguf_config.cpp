// config.json out of the keys of a GGUF file. What is missing in the file and has a default in llama.cpp gets that one, not
// Hugging Face's.
#include "files/error.h"
#include "files/quote.h"
#include "model/gguf_parts.h"

namespace steer {
namespace {

constexpr int64_t kCountMax = 1 << 21; // as in config.cpp

class Keys {
  public:
    Keys(const GgufFile& file, const std::string& architecture) : file_(file), prefix_(architecture + ".") {}

    std::string name(const char* key) const { return prefix_ + key; }

    int64_t count(const char* key) const {
        const auto found = gguf_integer(file_, name(key), 1, kCountMax);
        if (!found) gguf_missing(file_, name(key));
        return *found;
    }
    int64_t count_or(const char* key, int64_t absent) const {
        return gguf_integer(file_, name(key), 1, kCountMax).value_or(absent);
    }
    std::optional<double> number(const char* key) const { return gguf_number(file_, name(key)); }
    std::optional<std::string> text(const char* key) const { return gguf_text(file_, name(key)); }

    void needs(const char* key, std::optional<double> value, double only) const {
        if (value && *value != only)
            fail(STEER_ERR_UNSUPPORTED, "{}: {} is {}; only {} is supported", file_.name(), name(key), *value, only);
    }
    void needs(const char* key, double only) const { needs(key, number(key), only); }

  private:
    const GgufFile& file_;
    std::string prefix_;
};

// What would compute something else, were it not looked at.
void refuse_what_is_not_built(const GgufFile& file, const Keys& keys, int64_t head_dim) {
    for (const char* key : {"attention.sliding_window", "attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias",
                            "logit_scale", "attn_logit_softcapping", "final_logit_softcapping", "expert_count",
                            "rope.scaling.alpha", "rope.scaling.yarn_log_multiplier"})
        keys.needs(key, 0.0);
    keys.needs("rope.scaling.attn_factor", 1.0);
    keys.needs("attention.value_length", static_cast<double>(head_dim));
    keys.needs("rope.dimension_count", static_cast<double>(head_dim));
    if (file.find(keys.name("attention.causal")) != nullptr && !gguf_flag(file, keys.name("attention.causal")))
        fail(STEER_ERR_UNSUPPORTED, "{}: {} is false: a model that reads both ways cannot speak", file.name(),
             keys.name("attention.causal"));
}

// llama.cpp multiplies YaRN's own scale by yarn_attn_factor, Hugging Face's attention_factor takes its place: only 1, which
// llama.cpp takes where nothing is said, means the same.
Json yarn(const GgufFile& file, const Keys& keys) {
    keys.needs("rope.scaling.yarn_ext_factor", 1.0);
    keys.needs("rope.scaling.yarn_attn_factor", 1.0);
    const auto factor = keys.number("rope.scaling.factor");
    if (!factor) gguf_missing(file, keys.name("rope.scaling.factor"));
    Json scaling = Json::object();
    scaling["rope_type"] = "yarn";
    scaling["factor"] = *factor;
    scaling["original_max_position_embeddings"] =
        keys.count_or("rope.scaling.original_context_length", keys.count("context_length"));
    if (const auto fast = keys.number("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = *fast;
    if (const auto slow = keys.number("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = *slow;
    return scaling;
}

void add_rope(const GgufFile& file, const Keys& keys, Json& config) {
    config["rope_theta"] = keys.number("rope.freq_base").value_or(10000.0);
    const std::string kind = keys.text("rope.scaling.type").value_or("none");
    if (kind == "yarn") config["rope_scaling"] = yarn(file, keys);
    else if (kind != "none")
        fail(STEER_ERR_UNSUPPORTED, "{}: {} is {}; \"none\" and \"yarn\" are supported", file.name(),
             keys.name("rope.scaling.type"), quote(kind));
    else keys.needs("rope.scaling.factor", 1.0);
}

} // namespace

Json gguf_config(const GgufFile& file, const std::string& architecture, int64_t vocab_size, bool tied) {
    const Keys keys(file, architecture);
    const int64_t hidden = keys.count("embedding_length"), heads = keys.count("attention.head_count");
    const int64_t head_dim = keys.count_or("attention.key_length", hidden / heads);
    refuse_what_is_not_built(file, keys, head_dim);
    Json architectures = Json::array();
    architectures.push_back(architecture == "qwen2" ? "Qwen2ForCausalLM" : "Qwen3ForCausalLM");
    Json config = Json::object();
    config["architectures"] = std::move(architectures);
    config["model_type"] = architecture;
    config["hidden_size"] = hidden;
    config["num_hidden_layers"] = keys.count("block_count");
    config["intermediate_size"] = keys.count("feed_forward_length");
    config["num_attention_heads"] = heads;
    config["num_key_value_heads"] = keys.count_or("attention.head_count_kv", heads);
    config["head_dim"] = head_dim;
    const auto epsilon = keys.number("attention.layer_norm_rms_epsilon");
    if (!epsilon) gguf_missing(file, keys.name("attention.layer_norm_rms_epsilon"));
    config["rms_norm_eps"] = *epsilon;
    config["max_position_embeddings"] = keys.count("context_length");
    config["vocab_size"] = vocab_size;
    config["tie_word_embeddings"] = tied;
    add_rope(file, keys, config);
    return config;
}

} // namespace steer
