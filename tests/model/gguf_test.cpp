// A GGUF file as a model: what llama.cpp leaves out is what llama.cpp takes there; the package that it makes.
#include "../tree.h"
#include "build_gguf.h"
#include "files/error.h"
#include "model/gguf_model.h"
#include "model/package.h"

#include <catch2/catch.hpp>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace steer;
using namespace build;

namespace {

std::string f32_pair(const std::string& key, float value) { return build::pair(key, 6, u32(std::bit_cast<uint32_t>(value))); }

struct Options {
    std::string architecture = "qwen3";
    std::vector<std::string> more; // pairs
    bool tied = true;
    float weight = 0.0f; // of the first element of the embedding
};

// One layer, hidden size 4, two heads.
std::string model_file(const Options& options = {}) {
    const std::string& arch = options.architecture;
    std::vector<std::string> pairs{
        text_pair("general.architecture", arch), u32_pair(arch + ".embedding_length", 4), u32_pair(arch + ".block_count", 1),
        u32_pair(arch + ".feed_forward_length", 6), u32_pair(arch + ".attention.head_count", 2), u32_pair(arch + ".context_length", 64),
        f32_pair(arch + ".attention.layer_norm_rms_epsilon", 1e-6f), text_pair("tokenizer.ggml.model", "gpt2"),
        text_pair("tokenizer.ggml.pre", "qwen2"), texts_pair("tokenizer.ggml.tokens", {"a", "b", "<|endoftext|>", "<|im_end|>", "<think>"}),
        i32s_pair("tokenizer.ggml.token_type", {1, 1, 3, 3, 4}), texts_pair("tokenizer.ggml.merges", {}),
        u32_pair("tokenizer.ggml.eos_token_id", 3)};
    pairs.insert(pairs.end(), options.more.begin(), options.more.end());
    std::vector<GgufInfo> tensors;
    std::string data;
    const auto add = [&](const std::string& name, const std::vector<uint64_t>& shape, float first = 0.0f) {
        uint64_t count = 1;
        for (const uint64_t dim : shape) count *= dim;
        tensors.push_back({name, shape, 0, data.size()});
        data += u32(std::bit_cast<uint32_t>(first)) + std::string((count * 4 + 31) / 32 * 32 - 4, '\0');
    };
    add("token_embd.weight", {4, 7}, options.weight);
    add("output_norm.weight", {4});
    if (!options.tied) add("output.weight", {4, 7});
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) add(std::string("blk.0.") + name + ".weight", {4, 4});
    for (const char* name : {"ffn_gate", "ffn_up"}) add(std::string("blk.0.") + name + ".weight", {4, 6});
    add("blk.0.ffn_down.weight", {6, 4});
    for (const char* name : {"attn_norm", "ffn_norm"}) add(std::string("blk.0.") + name + ".weight", {4});
    if (arch == "qwen3")
        for (const char* name : {"attn_q_norm", "attn_k_norm"}) add(std::string("blk.0.") + name + ".weight", {2});
    else
        for (const char* name : {"attn_q", "attn_k", "attn_v"}) add(std::string("blk.0.") + name + ".bias", {4});
    return gguf(pairs, tensors, data);
}

GgufModel read(const Options& options = {}) {
    const std::string bytes = model_file(options);
    return read_gguf_model(GgufFile(ByteSource(bytes, "a.gguf")));
}

class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& bytes) : path_((std::filesystem::temp_directory_path() / "steer_gguf_XXXXXX").string()) {
        const int made = mkstemp(path_.data());
        if (made < 0) throw std::runtime_error("no temporary file");
        std::ofstream(path_, std::ios::binary) << bytes;
        close(made);
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

template<class Call>
std::string refused(Call call, steer_status status) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error.status() == status);
        return error.what();
    }
    return "was not refused";
}

} // namespace

TEST_CASE("what is left out is what llama.cpp takes there") {
    const ModelConfig config = read().config;
    CHECK(config.architecture == "Qwen3ForCausalLM");
    CHECK(config.head_dim == 2); // Hugging Face would say 128
    CHECK(config.kv_head_count == 2);
    CHECK(config.rope.theta == 10000.0);
    CHECK_FALSE(config.rope.yarn);
    CHECK(config.vocab_size == 7);
    CHECK(config.context_max == 64);
    CHECK(config.tied_head);
    CHECK_FALSE(read({.tied = false}).config.tied_head);
    CHECK(read({.architecture = "qwen2"}).config.qkv_bias);
}

TEST_CASE("YaRN is read, and what means something else in Hugging Face is refused") {
    const std::vector<std::string> yarn{text_pair("qwen3.rope.scaling.type", "yarn"), f32_pair("qwen3.rope.scaling.factor", 4.0f),
                                        u32_pair("qwen3.rope.scaling.original_context_length", 16)};
    const RopeConfig rope = read({.more = yarn}).config.rope;
    CHECK(rope.yarn);
    CHECK(rope.factor == 4.0);
    CHECK(rope.original_context == 16);
    std::vector<std::string> odd = yarn;
    odd.push_back(f32_pair("qwen3.rope.scaling.yarn_attn_factor", 1.5f));
    CHECK_THAT(refused([&] { read({.more = odd}); }, STEER_ERR_UNSUPPORTED), Catch::Contains("a.gguf: qwen3.rope.scaling.yarn_attn_factor is 1.5"));
    odd.back() = f32_pair("qwen3.rope.scaling.yarn_attn_factor", 1.0f);
    CHECK(read({.more = odd}).config.rope.attention_factor == 0.0);
}

TEST_CASE("tokens become a tokenizer.json, and the ends of a reply are known") {
    const GgufModel model = read();
    const Tree json = Tree::parse(model.tokenizer_text);
    CHECK(json["model"]["vocab"] == Tree{{"a", 0}, {"b", 1}});
    REQUIRE(json["added_tokens"].size() == 3);
    CHECK(json["added_tokens"][0]["special"] == true);
    CHECK(json["added_tokens"][2]["content"] == "<think>");
    CHECK(json["added_tokens"][2]["special"] == false);
    CHECK(Tree::parse(model.generation_config_text)["eos_token_id"] == Tree{3, 2});
    CHECK(Tree::parse(model.tokenizer_config_text) == Tree{{"eos_token", "<|im_end|>"}});
    CHECK(model.chat_template.empty());
    CHECK(read({.more = {text_pair("tokenizer.chat_template", "x")}}).chat_template == "x");
}

TEST_CASE("a file is a package with a fingerprint of its own") {
    const TemporaryFile a(model_file()), again(model_file()), other(model_file({.weight = 1.0f}));
    const auto package = open_package(a.path());
    CHECK(package->weights.size() == expected_weights(package->config).size());
    CHECK(package->stored_dtype == Dtype::f32);
    CHECK(fingerprint(*package, {}) == fingerprint(*open_package(again.path()), {}));
    CHECK(fingerprint(*package, {}) != fingerprint(*open_package(other.path()), {}));
    CHECK(fingerprint(*package, {}) != fingerprint(*package, {1}));
}

TEST_CASE("what needs the files of a folder is refused in words") {
    const TemporaryFile file(model_file()), older("GGML and more");
    const auto package = open_package(file.path());
    CHECK_THAT(refused([&] { verify_weights(*package, [](float) {}); }, STEER_ERR_UNSUPPORTED), Catch::Contains("open it without STEER_MODEL_VERIFY"));
    CHECK_THAT(refused([&] { export_package(*package, {}, "", file.path() + "_out", [](float) {}); }, STEER_ERR_UNSUPPORTED),
               Catch::Contains("a GGUF file is not exported"));
    CHECK_FALSE(std::filesystem::exists(file.path() + "_out"));
    CHECK_THAT(refused([&] { open_package(older.path()); }, STEER_ERR_FORMAT), Catch::Contains("a Hugging Face folder or one GGUF file"));
}
