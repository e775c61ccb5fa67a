#include "model/package.h"

#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace steer {
namespace {

constexpr uint64_t kSmallFileMax = 64u << 20;

std::string read_if_there(const std::string& path) {
    return file_exists(path) ? read_file(path, kSmallFileMax) : std::string();
}

// tokenizer_config.json holds it as a text, or as a list of named ones of which "default" is meant.
std::string find_chat_template(const std::string& folder, const std::string& tokenizer_config) {
    const std::string own = read_if_there(join_path(folder, "chat_template.jinja"));
    if (!own.empty() || tokenizer_config.empty()) return own;
    const std::string name = join_path(folder, "tokenizer_config.json");
    const Json config = parse_json(tokenizer_config, name);
    const Json* found = find_field(config, "chat_template");
    if (found == nullptr || found->is_null()) return {};
    if (!found->is_array()) return get_string(config, "chat_template", name);
    for (const Json& entry : *found)
        if (get_string(entry, "name", name) == "default") return get_string(entry, "template", name);
    return {};
}

// The names of the safetensors files: one, or the shards of an index.
std::vector<std::string> weight_files(const std::string& folder) {
    const std::string index = join_path(folder, "model.safetensors.index.json");
    if (!file_exists(index)) {
        if (!file_exists(join_path(folder, "model.safetensors")))
            fail(STEER_ERR_IO, "{}: neither model.safetensors nor model.safetensors.index.json is there", folder);
        return {"model.safetensors"};
    }
    const Json json = parse_json(read_file(index, kSmallFileMax), index);
    std::set<std::string> names;
    for (const auto& [weight, file] : get_object(json, "weight_map", index).items()) {
        if (!file.is_string() || !is_bare_filename(file.get<std::string>()))
            fail(STEER_ERR_FORMAT, "{}: \"weight_map\" must name files in the folder itself; {} does not", index, quote(weight));
        names.insert(file.get<std::string>());
    }
    if (names.empty()) fail(STEER_ERR_FORMAT, "{}: \"weight_map\" is empty", index);
    return {names.begin(), names.end()};
}

void index_weights(Package& package) {
    for (const SafetensorsFile& file : package.files)
        for (const TensorInfo& tensor : file.tensors())
            if (!package.weights.emplace(tensor.name, WeightLocation{&file, &tensor}).second)
                fail(STEER_ERR_FORMAT, "{}: weight {} stands in another file of the folder too", file.name(), quote(tensor.name));
}

void check_weights(const Package& package) {
    for (const WeightShape& expected : expected_weights(package.config)) {
        const WeightLocation& place = package.weight(expected.name);
        if (place.tensor->shape != expected.shape)
            fail(STEER_ERR_FORMAT, "{}: weight {} has shape [{}], config.json asks for [{}]", place.file->name(), expected.name,
                 fmt::join(place.tensor->shape, ", "), fmt::join(expected.shape, ", "));
        const Dtype dtype = place.tensor->dtype;
        if (dtype != Dtype::f32 && dtype != Dtype::f16 && dtype != Dtype::bf16)
            fail(STEER_ERR_UNSUPPORTED, "{}: weight {} is stored as {}; F32, F16 and BF16 are supported", place.file->name(),
                 expected.name, dtype_name(dtype));
    }
}

} // namespace

std::vector<WeightShape> expected_weights(const ModelConfig& config) {
    const int64_t hidden = config.hidden_size, query = config.query_size(), kv = config.kv_size(), ffn = config.ffn_size;
    std::vector<WeightShape> all{{"model.embed_tokens.weight", {config.vocab_size, hidden}}, {"model.norm.weight", {hidden}}};
    if (!config.tied_head) all.push_back({"lm_head.weight", {config.vocab_size, hidden}});
    for (int32_t layer = 0; layer < config.layer_count; layer++) {
        const auto add = [&](const char* name, std::vector<int64_t> shape) {
            all.push_back({fmt::format("model.layers.{}.{}", layer, name), std::move(shape)});
        };
        add("input_layernorm.weight", {hidden});
        add("post_attention_layernorm.weight", {hidden});
        add("self_attn.q_proj.weight", {query, hidden});
        add("self_attn.k_proj.weight", {kv, hidden});
        add("self_attn.v_proj.weight", {kv, hidden});
        add("self_attn.o_proj.weight", {hidden, query});
        add("mlp.gate_proj.weight", {ffn, hidden});
        add("mlp.up_proj.weight", {ffn, hidden});
        add("mlp.down_proj.weight", {hidden, ffn});
        if (config.qkv_bias) {
            add("self_attn.q_proj.bias", {query});
            add("self_attn.k_proj.bias", {kv});
            add("self_attn.v_proj.bias", {kv});
        }
        if (config.qk_norm) {
            add("self_attn.q_norm.weight", {config.head_dim});
            add("self_attn.k_norm.weight", {config.head_dim});
        }
    }
    return all;
}

const WeightLocation& Package::weight(const std::string& name) const {
    const auto found = weights.find(name);
    if (found == weights.end()) fail(STEER_ERR_FORMAT, "{}: weight {} is missing from the safetensors files", folder, name);
    return found->second;
}

std::shared_ptr<const Package> open_package(const std::string& folder) {
    auto package = std::make_shared<Package>();
    package->folder = folder;
    const auto path = [&](const char* name) { return join_path(folder, name); };
    package->config_text = read_file(path("config.json"), kSmallFileMax);
    package->config = parse_model_config(package->config_text, path("config.json"));
    package->generation_config_text = read_if_there(path("generation_config.json"));
    package->tokenizer_text = read_file(path("tokenizer.json"), kSmallFileMax);
    package->tokenizer_config_text = read_if_there(path("tokenizer_config.json"));
    package->chat_template = find_chat_template(folder, package->tokenizer_config_text);
    for (const std::string& name : weight_files(folder))
        package->files.push_back(SafetensorsFile::open(join_path(folder, name)));
    index_weights(*package);
    // A small checkpoint may leave its head out without saying that it is the embedding.
    if (!package->weights.contains("lm_head.weight")) package->config.tied_head = true;
    check_weights(*package);
    package->stored_dtype = package->weight("model.embed_tokens.weight").tensor->dtype;
    return package;
}

} // namespace steer
