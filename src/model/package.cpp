#include "model/package.h"

#include "files/checked.h"
#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "model/gguf_model.h"
#include "model/stored_linear.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace steer {
namespace {

constexpr uint64_t kSmallFileMax = 16u << 20, kTokenizerMax = 32u << 20;
constexpr size_t kShardMax = 1024; // each stays open

// The small files of the folder, each held against the manifest where there is one.
class Folder {
  public:
    explicit Folder(Package& package) : package_(package) {
        if (!file_exists(path(kManifestFile))) return;
        package.manifest = parse_manifest(read_file(path(kManifestFile), kSmallFileMax), path(kManifestFile));
    }

    std::string path(std::string_view name) const { return join_path(package_.folder, name); }

    // With a manifest a file is there exactly if it is listed: one that was added since would change what the model is.
    bool has(const std::string& name) const {
        const bool there = file_exists(path(name));
        if (!package_.manifest) return there;
        const bool listed = package_.manifest->files.contains(name);
        if (there && !listed) fail(STEER_ERR_FORMAT, "{}: it is not listed in {}: remove it or export again", path(name), kManifestFile);
        if (listed && !there) fail(STEER_ERR_FORMAT, "{}: {} lists it, but it is missing", path(name), kManifestFile);
        return there;
    }

    std::string read(const std::string& name, uint64_t limit = kSmallFileMax) {
        std::string text = read_file(path(name), limit);
        package_.small_files.push_back(name);
        if (package_.manifest) {
            if (!has(name)) return text;
            const ByteSource source(text, path(name));
            check_entry(package_.manifest->files.at(name), hash_source(source, [](uint64_t) {}), path(name));
        }
        return text;
    }

    std::string read_if_there(const std::string& name, uint64_t limit = kSmallFileMax) {
        if (!has(name)) return {};
        std::string text = read(name, limit);
        if (text.empty()) fail(STEER_ERR_FORMAT, "{}: the file is empty: fetch it again, or remove it", path(name));
        return text;
    }

  private:
    Package& package_;
};

// tokenizer_config.json holds it as a text, or as a list of named ones of which "default" is meant.
std::string find_chat_template(Folder& folder, const std::string& tokenizer_config) {
    const std::string own = folder.read_if_there("chat_template.jinja");
    if (!own.empty() || tokenizer_config.empty()) return own;
    const std::string name = folder.path("tokenizer_config.json");
    const Json config = parse_json(tokenizer_config, name);
    if (!config.is_object()) fail(STEER_ERR_FORMAT, "{}: must be a JSON object", name);
    const Json* found = find_field(config, "chat_template");
    if (found == nullptr || found->is_null()) return {};
    if (!found->is_array()) return get_string(config, "chat_template", name);
    for (const Json& entry : *found)
        if (get_string(entry, "name", name) == "default") return get_string(entry, "template", name);
    return {};
}

void read_tokenizer(Folder& folder, Package& package) {
    if (folder.has("tokenizer.json")) {
        package.tokenizer_text = folder.read("tokenizer.json", kTokenizerMax);
        return;
    }
    if (!folder.has("tokenizer.model"))
        fail(STEER_ERR_IO, "{}: neither tokenizer.json nor tokenizer.model is there", folder.path(""));
    package.tokenizer_model = folder.read_if_there("tokenizer.model", kTokenizerMax);
    package.added_tokens_text = folder.read_if_there("added_tokens.json");
    package.special_tokens_text = folder.read_if_there("special_tokens_map.json");
}

// The names of the safetensors files: one, or the shards of an index.
std::vector<std::string> weight_files(Folder& folder) {
    const std::string index_name = "model.safetensors.index.json", index = folder.path(index_name);
    if (!folder.has(index_name)) {
        if (!folder.has("model.safetensors"))
            fail(STEER_ERR_IO, "{}: neither model.safetensors nor {} is there", folder.path(""), index_name);
        return {"model.safetensors"};
    }
    const Json json = parse_json(folder.read(index_name), index);
    std::set<std::string> names;
    for (const auto& [weight, file] : get_object(json, "weight_map", index).items()) {
        if (!file.is_string() || !is_bare_filename(file.get<std::string>()))
            fail(STEER_ERR_FORMAT, "{}: \"weight_map\" must name files in the folder itself; {} does not", index, quote(weight));
        names.insert(file.get<std::string>());
    }
    if (names.empty()) fail(STEER_ERR_FORMAT, "{}: \"weight_map\" is empty", index);
    if (names.size() > kShardMax) fail(STEER_ERR_FORMAT, "{}: \"weight_map\" names more than {} files", index, kShardMax);
    return {names.begin(), names.end()};
}

void index_weights(Package& package) {
    for (const SafetensorsFile& file : package.files)
        for (const TensorInfo& tensor : file.tensors())
            if (!package.weights.emplace(tensor.name, WeightLocation{&file.source(), &tensor}).second)
                fail(STEER_ERR_FORMAT, "{}: weight {} stands in another file of the folder too", file.name(), quote(tensor.name));
}

bool is_read(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::f16 || dtype == Dtype::bf16 || dtype_is_block(dtype); }

void check_weights(const Package& package) {
    for (const WeightShape& expected : expected_weights(package.config)) {
        if (expected.is_linear) {
            find_linear(package, expected); // which checks it
            continue;
        }
        const WeightLocation& place = package.weight(expected.name);
        if (place.tensor->shape != expected.shape)
            fail(STEER_ERR_FORMAT, "{}: weight {} has shape [{}], config.json asks for [{}]", place.source->name(), expected.name,
                 fmt::join(place.tensor->shape, ", "), fmt::join(expected.shape, ", "));
        const Dtype dtype = place.tensor->dtype;
        if (!is_read(dtype))
            fail(STEER_ERR_UNSUPPORTED, "{}: weight {} is stored as {}; F32, F16 and BF16 are supported", place.source->name(),
                 expected.name, dtype_name(dtype));
    }
}

// Everything that a folder has stands in the one file, and was checked there against its own keys.
void open_gguf(Package& package) {
    package.gguf.emplace(ByteSource(File::open(package.folder)));
    GgufModel model = read_gguf_model(*package.gguf);
    package.config = std::move(model.config);
    package.config_text = std::move(model.config_text);
    package.generation_config_text = std::move(model.generation_config_text);
    package.tokenizer_text = std::move(model.tokenizer_text);
    package.tokenizer_config_text = std::move(model.tokenizer_config_text);
    package.chat_template = std::move(model.chat_template);
    package.gguf_tensors = std::move(model.weights);
    for (const TensorInfo& tensor : package.gguf_tensors)
        package.weights.emplace(tensor.name, WeightLocation{&package.gguf->source(), &tensor});
}

void open_folder(Package& package, bool allow_code) {
    Folder folder(package);
    if (folder.has(kDecoderArchive) && !allow_code)
        fail(STEER_ERR_ARG, "{}: holds TorchScript, which is code: load it with STEER_MODEL_ALLOW_CODE if you trust who made it",
             folder.path(kDecoderArchive));
    package.config_text = folder.read("config.json");
    package.config = parse_model_config(package.config_text, folder.path("config.json"));
    package.generation_config_text = folder.read_if_there("generation_config.json");
    package.tokenizer_config_text = folder.read_if_there("tokenizer_config.json");
    read_tokenizer(folder, package);
    package.chat_template = find_chat_template(folder, package.tokenizer_config_text);
    package.decoder_archive = folder.read_if_there(kDecoderArchive);
    for (const std::string& name : weight_files(folder))
        if (!package.manifest || folder.has(name)) package.files.push_back(SafetensorsFile::open(folder.path(name)));
    index_weights(package);
    // A small checkpoint may leave its head out without saying that it is the embedding.
    if (!package.weights.contains("lm_head.weight")) package.config.tied_head = true;
}

} // namespace

std::vector<WeightShape> expected_weights(const ModelConfig& config) {
    const int64_t hidden = config.hidden_size, query = config.query_size(), kv = config.kv_size(), ffn = config.ffn_size;
    std::vector<WeightShape> all{{"model.embed_tokens.weight", {config.vocab_size, hidden}}, {"model.norm.weight", {hidden}}};
    if (!config.tied_head) all.push_back({"lm_head.weight", {config.vocab_size, hidden}, true});
    for (int32_t layer = 0; layer < config.layer_count; layer++) {
        const auto add = [&](const char* name, std::vector<int64_t> shape) {
            const bool is_linear = shape.size() == 2;
            all.push_back({fmt::format("model.layers.{}.{}", layer, name), std::move(shape), is_linear});
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

void WeightLocation::read(uint64_t offset, void* out, size_t size) const {
    if (!inside(offset, size, tensor->size()))
        fail(STEER_ERR_INTERNAL, "{}: {} bytes at {} of weight {} asked for, it has {}", source->name(), size, offset,
             quote(tensor->name), tensor->size());
    source->read_exact(tensor->begin + offset, out, size);
}

const WeightLocation& Package::weight(const std::string& name) const {
    const auto found = weights.find(name);
    if (found == weights.end()) fail(STEER_ERR_FORMAT, "{}: weight {} is missing from the safetensors files", folder, name);
    return found->second;
}

std::shared_ptr<const Package> open_package(const std::string& path, bool allow_code) {
    auto package = std::make_shared<Package>();
    package->folder = path;
    if (is_gguf_file(path)) open_gguf(*package);
    else if (file_exists(path))
        fail(STEER_ERR_FORMAT, "{}: a file that does not begin with GGUF: a model is a Hugging Face folder or one GGUF file", path);
    else open_folder(*package, allow_code);
    check_weights(*package);
    const Dtype embedding = package->weight("model.embed_tokens.weight").tensor->dtype;
    package->stored_dtype = dtype_is_block(embedding) ? Dtype::bf16 : embedding;
    return package;
}

} // namespace steer
