// The small files of a model folder: config.json, generation_config.json, the index of the shards, tokenizer_config.json.
#include "edit.h"
#include "model/config.h"
#include "model/package.h"
#include "run/generation.h"
#include "text/chat.h"
#include "files/utf8.h"
#include "tiny_model.h"

#include <cmath>

using namespace steer;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
const std::string kConfig = "config.json", kGeneration = "generation_config.json",
                  kIndex = "model.safetensors.index.json", kTokenizer = "tokenizer_config.json";

std::vector<Bad> operator+(std::vector<Bad> all, const std::vector<Bad>& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::function<void(Tree&)> set(const std::string& key, const Tree& value) {
    return [=](Tree& json) { json[key] = value; };
}
std::function<void(Tree&)> drop(const std::string& key) {
    return [=](Tree& json) { json.erase(key); };
}

Seed seed(const char* name, const Tree& json) { return {name, json.dump(), {}}; }

// -- config.json

Tree good_config() {
    return Tree{{"architectures", {"Qwen2ForCausalLM"}}, {"num_hidden_layers", 2}, {"hidden_size", 8},
                {"intermediate_size", 16}, {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"vocab_size", 20},
                {"rope_theta", 1e6}, {"tie_word_embeddings", true}};
}

Tree yarn_config() {
    Tree json = good_config();
    json["architectures"] = {"Qwen3ForCausalLM"};
    json["head_dim"] = 16;
    json["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
    return json;
}

void read_config(std::string_view bytes) { (void)parse_model_config(bytes, kConfig); }

void check_config(std::string_view bytes) {
    const ModelConfig config = parse_model_config(bytes, kConfig);
    for (const int32_t size : {config.layer_count, config.hidden_size, config.ffn_size, config.head_count,
                               config.kv_head_count, config.head_dim, config.vocab_size, config.context_max})
        promise(size > 0, "a size that is not positive");
    promise(config.query_size() > 0 && config.kv_size() > 0, "a size that wraps");
    promise(config.head_count % config.kv_head_count == 0, "heads that the key heads do not divide");
    const RopeTable table = make_rope_table(config);
    promise(table.frequencies.size() * 2 == static_cast<size_t>(config.head_dim), "frequencies for another head size");
    for (const float frequency : table.frequencies)
        promise(std::isfinite(frequency) && frequency >= 0.0f, "a rotary frequency that is no number");
    promise(std::isfinite(table.scale) && table.scale > 0.0f, "a rotary scale that is no number");
    for (const WeightShape& weight : expected_weights(config))
        for (const int64_t extent : weight.shape) promise(extent > 0, "a weight without a shape");
}

std::vector<Bad> bad_config() {
    const auto yarn = [](const std::string& key, const Tree& value) {
        return [=](Tree& json) { json["rope_scaling"] = yarn_config()["rope_scaling"], json["rope_scaling"][key] = value; };
    };
    return no_json(kConfig) + edited(good_config(), {
        {"no architecture", drop("architectures"), kFormat, "\"architectures\" is missing"},
        {"an empty list of architectures", set("architectures", Tree::array()), kFormat, "architectures"},
        {"an architecture that is a number", set("architectures", {7}), kFormat, "architectures"},
        {"another architecture", set("architectures", {"LlamaForCausalLM"}), kUnsupported, "LlamaForCausalLM"},
        {"an architecture with a terminal's escape", set("architectures", {"\x1b[31m"}), kUnsupported, "\\x1b[31m"},
        {"an architecture cut in a character", set("architectures", {std::string(63, 'x') + "名"}), kUnsupported, "xxx"},
        {"no layers", set("num_hidden_layers", 0), kFormat, "\"num_hidden_layers\" is 0"},
        {"a million layers", set("num_hidden_layers", 1000000), kFormat, "num_hidden_layers"},
        {"no hidden size", drop("hidden_size"), kFormat, "\"hidden_size\" is missing"},
        {"hidden size -1", set("hidden_size", -1), kFormat, "\"hidden_size\" is -1"},
        {"hidden size 2^31", set("hidden_size", 2147483648u), kFormat, "\"hidden_size\" is 2147483648"},
        {"hidden size 2^64-1", set("hidden_size", UINT64_MAX), kFormat, "\"hidden_size\" is 18446744073709551615"},
        {"hidden size 1e300", set("hidden_size", 1e300), kFormat, "hidden_size"},
        {"hidden size in words", set("hidden_size", "8"), kFormat, "\"hidden_size\" must be a whole number"},
        {"hidden size 8.0", set("hidden_size", 8.0), kFormat, "\"hidden_size\" must be a whole number"},
        {"hidden size null", set("hidden_size", nullptr), kFormat, "hidden_size"},
        {"more heads than components", set("num_attention_heads", 16), kFormat, "\"head_dim\" 0"},
        {"key heads that do not divide", set("num_key_value_heads", 3), kFormat, "num_key_value_heads"},
        {"an odd head size", set("head_dim", 7), kFormat, "head_dim"},
        {"head size 2^20", set("head_dim", 1 << 20), kFormat, "head_dim"},
        {"heads times head size beyond 32 bits",
         [](Tree& j) { j["num_attention_heads"] = 1 << 21, j["head_dim"] = 1024; }, kFormat, "num_attention_heads"},
        {"vocabulary 0", set("vocab_size", 0), kFormat, "\"vocab_size\" is 0"},
        {"vocabulary 2^40", set("vocab_size", int64_t{1} << 40), kFormat, "vocab_size"},
        {"context 0", set("max_position_embeddings", 0), kFormat, "max_position_embeddings"},
        {"rope_theta 0", set("rope_theta", 0.0), kFormat, "rope_theta"},
        {"rope_theta 1e300", set("rope_theta", 1e300), kFormat, "rope_theta"},
        {"rope_theta in words", set("rope_theta", "1e6"), kFormat, "\"rope_theta\" must be a number"},
        {"negative norm_eps", set("rms_norm_eps", -1e-6), kFormat, "rms_norm_eps"},
        {"tied maybe", set("tie_word_embeddings", "yes"), kFormat, "\"tie_word_embeddings\" must be true or false"},
        {"tied 1", set("tie_word_embeddings", 1), kFormat, "\"tie_word_embeddings\" must be true or false"},
        {"sliding window", set("use_sliding_window", true), kUnsupported, "use_sliding_window"},
        {"bias everywhere", set("attention_bias", true), kUnsupported, "attention_bias"},
        {"another activation", set("hidden_act", "gelu"), kUnsupported, "hidden_act"},
        {"quantised", set("quantization_config", {{"bits", 4}}), kUnsupported, "quantization_config"},
        {"rope scaling a number", set("rope_scaling", 3), kFormat, "rope_scaling"},
        {"rope scaling of another kind", set("rope_scaling", {{"type", "longrope"}}), kUnsupported, "longrope"},
        {"a kind with a terminal's escape", set("rope_scaling", {{"type", "\x1b]0;x\x07"}}), kUnsupported, "\\x1b]0;x"},
        {"YaRN without a factor", set("rope_scaling", {{"type", "yarn"}}), kFormat, "factor"},
        {"YaRN factor 0", yarn("factor", 0), kFormat, "factor"},
        {"YaRN factor 0.5", yarn("factor", 0.5), kFormat, "factor"},
        {"YaRN beta -1", yarn("beta_slow", -1), kFormat, "beta_slow"},
        {"YaRN original context 0", yarn("original_max_position_embeddings", 0), kFormat, "original_max_position"},
        {"YaRN attention factor -1", yarn("attention_factor", -1), kFormat, "attention_factor"},
        {"YaRN mscale that makes nothing of scores",
         set("rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"mscale", -1e30}, {"mscale_all_dim", 1}}), kFormat, "no finite angles"},
        {"part of the head rotated", yarn("partial_rotary_factor", 0.5), kUnsupported, "partial_rotary_factor"},
    });
}

std::vector<Seed> config_seeds() {
    Tree newer = good_config();
    newer.erase("rope_theta");
    newer["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1e6}, {"factor", 2.0}, {"mscale", 1.0},
                                {"mscale_all_dim", 0.5}, {"beta_fast", 32}, {"truncate", false}};
    return {seed("Qwen2", good_config()), seed("Qwen3 with YaRN", yarn_config()), seed("newer keys", newer)};
}

// -- generation_config.json

// A model folder of its own for each reader, in which one file is replaced.
const tiny::Folder& generation_folder() {
    static const tiny::Folder folder;
    return folder;
}

void read_generation(std::string_view bytes) {
    generation_folder().write(kGeneration, std::string(bytes));
    (void)model_generation(*open_package(generation_folder().path()));
}

void check_generation(std::string_view) {
    const Generation generation = model_generation(*open_package(generation_folder().path()));
    const SamplingSettings& s = generation.sampling;
    for (const int32_t token : generation.stop_tokens) promise(token >= 0 && token < tiny::kVocabulary, "a stop token outside");
    promise(s.temperature >= 0.0f && s.temperature <= 100.0f && s.top_k >= 0, "sampling outside of its range");
    for (const float share : {s.top_p, s.min_p, s.typical_p}) promise(share >= 0.0f && share <= 1.0f, "a share outside");
    promise(s.repeat_penalty >= 1e-3f && s.repeat_penalty <= 1e3f, "a penalty outside");
}

Tree good_generation() {
    return Tree{{"do_sample", true}, {"temperature", 0.7}, {"top_p", 0.8}, {"top_k", 20}, {"repetition_penalty", 1.05},
                {"eos_token_id", {3, 4}}};
}

std::vector<Bad> bad_generation() {
    return no_json(kGeneration) + edited(good_generation(), {
        {"temperature -1", set("temperature", -1), kFormat, "\"temperature\" is -1"},
        {"temperature 1e30", set("temperature", 1e30), kFormat, "temperature"},
        {"temperature in words", set("temperature", "hot"), kFormat, "\"temperature\" must be a number"},
        {"temperature a list", set("temperature", {0.7}), kFormat, "\"temperature\" must be a number"},
        {"top_p 1.5", set("top_p", 1.5), kFormat, "\"top_p\" is 1.5"},
        {"top_p -0.1", set("top_p", -0.1), kFormat, "top_p"},
        {"min_p 2", set("min_p", 2), kFormat, "min_p"},
        {"typical_p -1", set("typical_p", -1), kFormat, "typical_p"},
        {"top_k -1", set("top_k", -1), kFormat, "\"top_k\" is -1"},
        {"top_k 2^31", set("top_k", 2147483648u), kFormat, "top_k"},
        {"top_k 1.5", set("top_k", 1.5), kFormat, "\"top_k\" must be a whole number"},
        {"repetition penalty 0", set("repetition_penalty", 0), kFormat, "repetition_penalty"},
        {"repetition penalty 1e30", set("repetition_penalty", 1e30), kFormat, "repetition_penalty"},
        {"do_sample 1", set("do_sample", 1), kFormat, "\"do_sample\" must be true or false"},
        {"end token -1", set("eos_token_id", -1), kFormat, "eos_token_id"},
        {"end token of the vocabulary's size", set("eos_token_id", tiny::kVocabulary), kFormat, "eos_token_id"},
        {"end token 2^64-1", set("eos_token_id", UINT64_MAX), kFormat, "eos_token_id"},
        {"end token in a list 2^64-1", set("eos_token_id", {UINT64_MAX}), kFormat, "eos_token_id"},
        {"end token in a list 2^32", set("eos_token_id", {int64_t{1} << 32}), kFormat, "eos_token_id"},
        {"end token in words", set("eos_token_id", "</s>"), kFormat, "eos_token_id"},
        {"end tokens in a list of lists", set("eos_token_id", Tree::array({Tree::array({3})})), kFormat, "eos_token_id"},
        {"end tokens an object", set("eos_token_id", Tree::object()), kFormat, "eos_token_id"},
    });
}

std::vector<Seed> generation_seeds() {
    return {seed("as Qwen's", good_generation()), seed("greedy", Tree{{"eos_token_id", 5}, {"min_p", 0.1}}),
            seed("nothing", Tree::object())};
}

// -- the index of the shards, in a folder with two of them

const tiny::Folder& index_folder() {
    static const tiny::Folder folder;
    static const bool cut = [] {
        std::filesystem::rename(folder.path() + "/model.safetensors", folder.path() + "/a.safetensors");
        folder.write("b.safetensors", write_safetensors({}, {}));
        return true;
    }();
    (void)cut;
    return folder;
}

void read_index(std::string_view bytes) {
    index_folder().write(kIndex, std::string(bytes));
    (void)open_package(index_folder().path());
}

void check_index(std::string_view) {
    const auto package = open_package(index_folder().path());
    promise(!package->files.empty() && package->files.size() <= 2, "other files than there are");
}

Tree good_index() {
    return Tree{{"metadata", {{"total_size", 123}}}, {"weight_map", {{"x", "a.safetensors"}, {"y", "b.safetensors"}}}};
}

std::vector<Bad> bad_index() {
    const auto to = [](const Tree& file) { return [=](Tree& json) { json["weight_map"]["x"] = file; }; };
    Tree many = Tree::object();
    for (int i = 0; i < 5000; ++i) many[fmt::format("w{}", i)] = fmt::format("s{}.safetensors", i);
    std::vector<Bad> all = edited(good_index(), {
        {"no map", drop("weight_map"), kFormat, "\"weight_map\" is missing"},
        {"map a list", set("weight_map", Tree::array({"a.safetensors"})), kFormat, "\"weight_map\" must be an object"},
        {"map empty", set("weight_map", Tree::object()), kFormat, "\"weight_map\" is empty"},
        {"file a number", to(1), kFormat, "in the folder itself"},
        {"file null", to(nullptr), kFormat, "in the folder itself"},
        {"file in a list", to(Tree::array({"a.safetensors"})), kFormat, "in the folder itself"},
        {"no file name", to(""), kFormat, "in the folder itself"},
        {"the folder itself", to("."), kFormat, "in the folder itself"},
        {"the folder above", to(".."), kFormat, "in the folder itself"},
        {"path upwards", to("../../etc/passwd"), kFormat, "in the folder itself"},
        {"absolute path", to("/etc/passwd"), kFormat, "in the folder itself"},
        {"path downwards", to("sub/a.safetensors"), kFormat, "in the folder itself"},
        {"backslash", to("..\\a.safetensors"), kFormat, "in the folder itself"},
        {"drive", to("c:a.safetensors"), kFormat, "in the folder itself"},
        {"a name with a zero byte", to(std::string("a.safetensors\0", 14)), kFormat, "in the folder itself"},
        {"a name of 256 bytes", to(std::string(256, 'a')), kFormat, "in the folder itself"},
        {"a name with a space", to("a .safetensors"), kFormat, "in the folder itself"},
        {"a weight's name with a terminal's escape", [](Tree& j) { j["weight_map"]["\x1b[31m"] = 1; }, kFormat,
         "\\x1b[31m"},
        {"a file that is not there", to("missing.safetensors"), STEER_ERR_IO, "missing.safetensors"},
        {"a file that is no safetensors", to("config.json"), kFormat, "config.json: "},
        {"the index itself", to(kIndex), kFormat, "index.json: "},
        {"without the weights", set("weight_map", {{"x", "b.safetensors"}}), kFormat, "is missing from"},
        {"5,000 files", set("weight_map", many), kFormat, "more than 1024 files"},
    });
    for (Bad& bad : no_json(kIndex)) {
        const bool not_an_object = bad.words == "JSON object";
        all.push_back({bad.name, bad.bytes, bad.status, not_an_object ? "an object with \"weight_map\"" : bad.words});
    }
    return all;
}

std::vector<Seed> index_seeds() { return {seed("two files", good_index())}; }

// -- tokenizer_config.json: the template and the names that templates use

const tiny::Folder& tokenizer_folder() {
    static const tiny::Folder folder;
    return folder;
}

void read_tokenizer_config(std::string_view bytes) {
    tokenizer_folder().write(kTokenizer, std::string(bytes));
    const auto package = open_package(tokenizer_folder().path());
    (void)ChatTemplate::of_model(package->chat_template, package->tokenizer_config_text, "chat template");
}

void check_tokenizer_config(std::string_view bytes) {
    promise(parse_json(bytes, kTokenizer).is_object(), "no object and accepted");
    const auto package = open_package(tokenizer_folder().path());
    const auto chat = ChatTemplate::of_model(package->chat_template, package->tokenizer_config_text, "chat template");
    ChatRequest request;
    request.messages.push_back({"user", "hello", nullptr});
    try {
        promise(is_valid_utf8(chat.render_text(request)), "a chat that is not UTF-8");
    } catch (const Error& error) { // a template may refuse a conversation
        promise(error.status() == STEER_ERR_ARG || error.status() == kUnsupported, error.what());
        check_words(error.what());
    }
}

Tree good_tokenizer_config() {
    return Tree{{"eos_token", "<|im_end|>"}, {"bos_token", nullptr}, {"pad_token", {{"content", "<|endoftext|>"}}},
                {"chat_template", "{{ messages[0].content }}{{ eos_token }}"}};
}

std::vector<Bad> bad_tokenizer_config() {
    const auto templates = [](const Tree& list) { return set("chat_template", list); };
    return no_json(kTokenizer) + edited(good_tokenizer_config(), {
        {"template a number", templates(7), kFormat, "\"chat_template\" must be a string"},
        {"template an object", templates(Tree::object()), kFormat, "\"chat_template\" must be a string"},
        {"templates that are strings", templates(Tree::array({"x"})), kFormat, "an object with \"name\""},
        {"template without a name", templates(Tree::array({{{"template", "x"}}})), kFormat, "\"name\" is missing"},
        {"template without a text", templates(Tree::array({{{"name", "default"}}})), kFormat, "\"template\" is missing"},
        {"template whose text is a list", templates(Tree::array({{{"name", "default"}, {"template", {1}}}})), kFormat,
         "\"template\" must be a string"},
        {"template that is no Jinja", templates("{{"), kFormat, "chat template: line 1"},
        {"template that includes", templates("{% include 'x' %}"), kUnsupported, "include"},
        {"template of 2 MiB", templates(std::string(2 << 20, 'x')), kFormat, "allowed are"},
        {"end token a number", set("eos_token", 5), kFormat, "\"eos_token\" must be"},
        {"end token a list", set("eos_token", {"a"}), kFormat, "\"eos_token\" must be"},
        {"end token without content", set("eos_token", {{"id", 1}}), kFormat, "\"eos_token\" must be"},
        {"end token's content a number", set("eos_token", {{"content", 1}}), kFormat, "\"eos_token\" must be"},
    });
}

std::vector<Seed> tokenizer_config_seeds() {
    Tree named = good_tokenizer_config();
    named["chat_template"] = Tree::array({{{"name", "tools"}, {"template", "a"}}, {{"name", "default"}, {"template", "b"}}});
    return {seed("one template", good_tokenizer_config()), seed("several", named)};
}

} // namespace

Reader model_config_reader() {
    Reader reader{"config", read_config, check_config, bad_config, 50, config_seeds, {kFormat, kUnsupported}, kConfig + ": "};
    reader.json = true;
    return reader;
}
Reader generation_config_reader() {
    Reader reader{"generation_config", read_generation, check_generation, bad_generation, 30, generation_seeds, {kFormat}, ""};
    reader.json = true;
    return reader;
}
Reader shard_index_reader() {
    Reader reader{"shard_index", read_index, check_index, bad_index, 30, index_seeds, {kFormat, STEER_ERR_IO}, ""};
    reader.json = true;
    return reader;
}
Reader tokenizer_config_reader() {
    Reader reader{"tokenizer_config", read_tokenizer_config, check_tokenizer_config, bad_tokenizer_config, 20,
            tokenizer_config_seeds, {kFormat, kUnsupported}, ""};
    reader.json = true;
    return reader;
}

} // namespace hostile
