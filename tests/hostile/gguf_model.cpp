// A whole model in a GGUF file: its keys, its tokens, its tensors, built byte by byte.
#include "build_gguf.h"
#include "corpus.h"
#include "files/json.h"
#include "files/utf8.h"
#include "model/gguf_model.h"
#include "model/package.h"
#include "text/tokenizer.h"

#include <map>

using namespace steer;
using namespace build;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
constexpr uint64_t kPiece = 32; // each tensor's bytes are padded to this

std::string f32(float value) { return u32(std::bit_cast<uint32_t>(value)); }
std::string f32_pair(const std::string& key, float value) { return pair(key, 6, f32(value)); }
std::string flag_pair(const std::string& key, bool value) { return pair(key, 7, std::string(1, value ? '\1' : '\0')); }

// A file that can be made wrong in one place: keys and tensors by name, in order.
struct Model {
    std::vector<std::pair<std::string, std::string>> pairs; // key, the pair's bytes
    std::vector<GgufInfo> tensors;
    std::string data;

    void set(const std::string& key, const std::string& bytes) {
        for (auto& [name, now] : pairs)
            if (name == key) {
                now = bytes;
                return;
            }
        pairs.emplace_back(key, bytes);
    }
    void drop(const std::string& key) { std::erase_if(pairs, [&](const auto& entry) { return entry.first == key; }); }
    void add(const std::string& name, const std::vector<uint64_t>& shape, uint32_t type = 0) {
        tensors.push_back({name, shape, type, data.size()});
        data += std::string(kPiece, '\0');
    }
    GgufInfo& tensor(const std::string& name) {
        for (GgufInfo& one : tensors)
            if (one.name == name) return one;
        throw std::logic_error("no tensor " + name);
    }
    std::string bytes() const {
        std::vector<std::string> all;
        for (const auto& entry : pairs) all.push_back(entry.second);
        return gguf(all, tensors, data);
    }
};

void add_layer(Model& model, bool qwen3) {
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        model.add(std::string("blk.0.") + name + ".weight", {2, 2});
    for (const char* name : {"attn_norm", "ffn_norm"}) model.add(std::string("blk.0.") + name + ".weight", {2});
    if (qwen3)
        for (const char* name : {"attn_q_norm", "attn_k_norm"}) model.add(std::string("blk.0.") + name + ".weight", {2});
    else
        for (const char* name : {"attn_q", "attn_k", "attn_v"}) model.add(std::string("blk.0.") + name + ".bias", {2});
}

Model good(const std::string& architecture = "qwen2") {
    Model model;
    const auto key = [&](const char* name) { return architecture + "." + name; };
    model.set("general.architecture", text_pair("general.architecture", architecture));
    for (const auto& [name, value] : std::map<const char*, uint64_t>{
             {"embedding_length", 2}, {"block_count", 1}, {"feed_forward_length", 2}, {"attention.head_count", 1}, {"context_length", 16}})
        model.set(key(name), u32_pair(key(name), value));
    model.set(key("attention.layer_norm_rms_epsilon"), f32_pair(key("attention.layer_norm_rms_epsilon"), 1e-6f));
    model.set("tokenizer.ggml.model", text_pair("tokenizer.ggml.model", "gpt2"));
    model.set("tokenizer.ggml.pre", text_pair("tokenizer.ggml.pre", "qwen2"));
    model.set("tokenizer.ggml.tokens", texts_pair("tokenizer.ggml.tokens", {"a", "b", "ab", "<|im_end|>", "[PAD4]"}));
    model.set("tokenizer.ggml.token_type", i32s_pair("tokenizer.ggml.token_type", {1, 1, 1, 3, 5}));
    model.set("tokenizer.ggml.merges", texts_pair("tokenizer.ggml.merges", {"a b"}));
    model.set("tokenizer.ggml.eos_token_id", u32_pair("tokenizer.ggml.eos_token_id", 3));
    model.add("token_embd.weight", {2, 5}, 1);
    model.add("output_norm.weight", {2});
    add_layer(model, architecture == "qwen3");
    return model;
}

// Every byte known, so that what is read can be run: 256 of them, and the control token.
std::string whole() {
    Model model = good("qwen3");
    std::vector<std::string> tokens;
    std::vector<int32_t> types(256, 1);
    for (uint32_t byte = 0, extra = 256; byte < 256; ++byte) {
        const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        std::string text;
        append_utf8(prints ? byte : extra, text);
        extra += prints ? 0 : 1;
        tokens.push_back(text);
    }
    tokens.push_back("<|im_end|>");
    types.push_back(4);
    model.set("tokenizer.ggml.tokens", texts_pair("tokenizer.ggml.tokens", tokens));
    model.set("tokenizer.ggml.token_type", i32s_pair("tokenizer.ggml.token_type", types));
    model.set("tokenizer.ggml.merges", texts_pair("tokenizer.ggml.merges", {}));
    model.set("tokenizer.chat_template", text_pair("tokenizer.chat_template", "{{ messages[0].content }}"));
    model.set("tokenizer.ggml.eos_token_id", u32_pair("tokenizer.ggml.eos_token_id", 256));
    model.set("qwen3.rope.scaling.type", text_pair("qwen3.rope.scaling.type", "yarn"));
    model.set("qwen3.rope.scaling.factor", f32_pair("qwen3.rope.scaling.factor", 4.0f));
    model.set("general.sampling.temp", f32_pair("general.sampling.temp", 0.6f));
    model.tensor("token_embd.weight") = {"token_embd.weight", {2, 257}, 1, model.data.size()};
    model.data += std::string(257 * 2 * 2, '\0');
    return model.bytes();
}

GgufModel read_model(std::string_view bytes) { return read_gguf_model(GgufFile(ByteSource(bytes, kName))); }
void read(std::string_view bytes) { (void)read_model(bytes); }

void check_weights(const GgufModel& model, uint64_t size) {
    const auto expected = expected_weights(model.config);
    promise(model.weights.size() == expected.size(), "weights are missing");
    for (size_t i = 0; i < expected.size(); ++i) {
        const TensorInfo& weight = model.weights[i];
        promise(weight.name == expected[i].name && weight.shape == expected[i].shape, "another weight: " + weight.name);
        promise(weight.begin <= weight.end && weight.end <= size, "a weight behind the file");
        uint64_t elements = 1;
        for (const int64_t extent : weight.shape) elements *= static_cast<uint64_t>(extent);
        const DtypeBlock block = dtype_block(weight.dtype);
        promise(weight.size() * block.elements == elements * block.bytes, "a weight of another size");
    }
}

void check(std::string_view bytes) {
    const GgufModel model = read_model(bytes);
    check_weights(model, bytes.size());
    for (const std::string& text : {model.config_text, model.generation_config_text, model.tokenizer_config_text})
        promise(parse_json(text, kName).is_object(), "no JSON object");
    promise(is_valid_utf8(model.chat_template), "a template that is no UTF-8");
    try {
        const auto tokenizer = load_bpe_tokenizer(model.tokenizer_text, kName);
        promise(tokenizer->size() > 0, "no tokens");
    } catch (const Error& error) { // which tokens there must be is the tokenizer's to say
        promise(error.status() == kFormat || error.status() == kUnsupported, error.what());
        check_words(error.what());
    }
}

using Change = std::function<void(Model&)>;

Change set(const std::string& key, const std::string& bytes) {
    return [=](Model& model) { model.set(key, bytes); };
}
Change text(const std::string& key, const std::string& value) { return set(key, text_pair(key, value)); }
Change count(const std::string& key, uint64_t value) { return set(key, u32_pair(key, value)); }
Change number(const std::string& key, float value) { return set(key, f32_pair(key, value)); }
Change drop(const std::string& key) {
    return [=](Model& model) { model.drop(key); };
}
Change shape(const std::string& name, const std::vector<uint64_t>& dims) {
    return [=](Model& model) { model.tensor(name).shape = dims; };
}
Change type(const std::string& name, uint32_t kind) {
    return [=](Model& model) { model.tensor(name).type = kind; };
}
Change tokens(const std::vector<std::string>& all) { return set("tokenizer.ggml.tokens", texts_pair("tokenizer.ggml.tokens", all)); }
Change types(const std::vector<int32_t>& all) { return set("tokenizer.ggml.token_type", i32s_pair("tokenizer.ggml.token_type", all)); }

struct Wrong {
    const char* name;
    Change change;
    steer_status status;
    std::string words;
};

std::vector<Wrong> wrong_keys() {
    const std::string epsilon = "qwen2.attention.layer_norm_rms_epsilon";
    return {
        {"no architecture", drop("general.architecture"), kFormat, "general.architecture is missing"},
        {"an architecture that is a number", count("general.architecture", 2), kFormat, "general.architecture must be a string"},
        {"another architecture", text("general.architecture", "llama"), kUnsupported, "architecture 'llama'"},
        {"an architecture with a terminal's escape", text("general.architecture", "\x1b[31m"), kUnsupported, "\\x1b[31m"},
        {"an architecture that is no UTF-8", text("general.architecture", "\xff"), kFormat, "no UTF-8"},
        {"a control vector", text("general.architecture", "controlvector"), kUnsupported, "a persona vector"},
        {"an adapter", text("general.type", "adapter"), kUnsupported, "general.type is 'adapter'"},
        {"one of three parts", set("split.count", pair("split.count", 2, u16(3))), kUnsupported, "one of 3 parts"},
        {"blocks of old", count("general.quantization_version", 1), kUnsupported, "quantization_version is 1"},
        {"no layers", drop("qwen2.block_count"), kFormat, "qwen2.block_count is missing"},
        {"0 layers", count("qwen2.block_count", 0), kFormat, "qwen2.block_count is 0"},
        {"2^32-1 layers", count("qwen2.block_count", UINT32_MAX), kFormat, "qwen2.block_count is 4294967295"},
        {"5,000 layers", count("qwen2.block_count", 5000), kFormat, "num_hidden_layers"},
        {"4,096 layers", count("qwen2.block_count", 4096), kFormat, "blk.1.attn_norm.weight is missing"},
        {"hidden size in words", text("qwen2.embedding_length", "2"), kFormat, "qwen2.embedding_length must be a whole number"},
        {"hidden size 2.0", number("qwen2.embedding_length", 2.0f), kFormat, "qwen2.embedding_length must be a whole number"},
        {"hidden size 2^64-1", set("qwen2.embedding_length", pair("qwen2.embedding_length", 10, u64(UINT64_MAX))), kFormat,
         "18446744073709551615"},
        {"heads in a list", set("qwen2.attention.head_count", i32s_pair("qwen2.attention.head_count", {1})), kFormat, "must be a whole number"},
        {"more heads than components", count("qwen2.attention.head_count", 4), kFormat, "head_dim"},
        {"another width of values", count("qwen2.attention.value_length", 4), kUnsupported, "value_length is 4"},
        {"part of the head rotated", count("qwen2.rope.dimension_count", 1), kUnsupported, "dimension_count is 1"},
        {"no epsilon", drop(epsilon), kFormat, "layer_norm_rms_epsilon is missing"},
        {"an epsilon that is no number", number(epsilon, std::bit_cast<float>(0x7fc00000u)), kFormat, "must be a finite number"},
        {"an epsilon of infinity", number(epsilon, std::bit_cast<float>(0x7f800000u)), kFormat, "must be a finite number"},
        {"a negative epsilon", number(epsilon, -1.0f), kFormat, "rms_norm_eps"},
        {"rope base 0", number("qwen2.rope.freq_base", 0.0f), kFormat, "rope_theta"},
        {"linear scaling", text("qwen2.rope.scaling.type", "linear"), kUnsupported, "'linear'"},
        {"YaRN without a factor", text("qwen2.rope.scaling.type", "yarn"), kFormat, "rope.scaling.factor is missing"},
        {"a scaling factor of no scaling", number("qwen2.rope.scaling.factor", 4.0f), kUnsupported, "rope.scaling.factor is 4"},
        {"a sliding window", count("qwen2.attention.sliding_window", 4096), kUnsupported, "sliding_window is 4096"},
        {"experts", count("qwen2.expert_count", 8), kUnsupported, "expert_count is 8"},
        {"a model that reads both ways", set("qwen2.attention.causal", flag_pair("qwen2.attention.causal", false)), kUnsupported, "causal is false"},
        {"a temperature in words", text("general.sampling.temp", "hot"), kFormat, "general.sampling.temp must be a finite number"},
    };
}

std::vector<Wrong> wrong_tensors() {
    return {
        {"no tensors", [](Model& model) { model.tensors.clear(); }, kFormat, "token_embd.weight is missing"},
        {"no layer", [](Model& model) { std::erase_if(model.tensors, [](const GgufInfo& t) { return t.name.starts_with("blk."); }); }, kFormat,
         "tensor blk.0.attn_norm.weight is missing"},
        {"an embedding of one dimension", shape("token_embd.weight", {10}), kFormat, "[10]"},
        {"an embedding without rows", shape("token_embd.weight", {2, 0}), kFormat, "[2, 0]"},
        {"an embedding of 2^40 rows", shape("token_embd.weight", {2, uint64_t{1} << 40}), kFormat, "behind the file"},
        {"an embedding of another width", shape("token_embd.weight", {1, 5}), kFormat, "the keys of the header ask for [2, 5]"},
        {"a norm of two dimensions", shape("output_norm.weight", {2, 1}), kFormat, "[2, 1]"},
        {"a tensor twice", [](Model& model) { model.add("output_norm.weight", {2}); }, kFormat, "'output_norm.weight' stands twice"},
        {"a tensor that changes angles", [](Model& model) { model.add("rope_freqs.weight", {1}); }, kUnsupported, "'rope_freqs.weight' has no place"},
        {"a tensor with a terminal's escape", [](Model& model) { model.add("\x1b]0;x\x07", {1}); }, kUnsupported, "\\x1b]0;x"},
        {"a layer more", [](Model& model) { model.add("blk.1.attn_norm.weight", {2}); }, kUnsupported, "'blk.1.attn_norm.weight' has no place"},
        {"Q5_K", type("blk.0.ffn_up.weight", 13), kUnsupported, "GGUF type Q5_K is not supported; F32, F16, BF16, Q4_0, Q8_0, Q4_K and Q6_K"},
        {"IQ4_XS", type("blk.0.ffn_up.weight", 23), kUnsupported, "IQ4_XS"},
        {"type 2^32-1", type("blk.0.ffn_up.weight", UINT32_MAX), kUnsupported, "number 4294967295"},
        {"rows that are no whole blocks", type("blk.0.ffn_up.weight", 8), kFormat, "no whole blocks of Q8_0"},
        {"no dimension and blocks", [](Model& model) { model.tensor("blk.0.ffn_up.weight") = {"blk.0.ffn_up.weight", {}, 8, 0}; }, kFormat,
         "no whole blocks"},
        {"a matrix over another", [](Model& model) { model.tensor("blk.0.ffn_up.weight").offset = 0; }, kFormat, "overlap"},
        {"a matrix behind the file", [](Model& model) { model.tensor("blk.0.ffn_up.weight").offset = 1 << 20; }, kFormat, "behind the file"},
        {"the last byte missing", [](Model& model) { model.data.resize(model.data.size() - kPiece + 7); }, kFormat, "behind the file"},
    };
}

std::vector<Wrong> wrong_tokens() {
    const std::string eos = "tokenizer.ggml.eos_token_id", merges = "tokenizer.ggml.merges";
    return {
        {"no kind of tokenizer", drop("tokenizer.ggml.model"), kFormat, "tokenizer.ggml.model is missing"},
        {"sentencepiece", text("tokenizer.ggml.model", "llama"), kUnsupported, "tokenizer.ggml.model is 'llama'"},
        {"no pattern", drop("tokenizer.ggml.pre"), kFormat, "tokenizer.ggml.pre is missing"},
        {"another pattern", text("tokenizer.ggml.pre", "llama-bpe"), kUnsupported, "tokenizer.ggml.pre is 'llama-bpe'"},
        {"a first token of its own", set("tokenizer.ggml.add_bos_token", flag_pair("tokenizer.ggml.add_bos_token", true)), kUnsupported,
         "add_bos_token is true"},
        {"a flag that is a number", count("tokenizer.ggml.add_bos_token", 0), kFormat, "add_bos_token must be true or false"},
        {"no tokens", drop("tokenizer.ggml.tokens"), kFormat, "tokenizer.ggml.tokens is missing"},
        {"tokens that are numbers", set("tokenizer.ggml.tokens", i32s_pair("tokenizer.ggml.tokens", {1})), kFormat, "array of strings"},
        {"one token as a text", text("tokenizer.ggml.tokens", "a"), kFormat, "array of strings"},
        {"a token twice", tokens({"a", "b", "a", "c", "d"}), kFormat, "'a' stands twice"},
        {"a token that is no UTF-8", tokens({"a", "\xff", "c", "d", "e"}), kFormat, "tokenizer.ggml.tokens[1] is no UTF-8"},
        {"a token of 4,097 bytes", tokens({"a", std::string(4097, 'x')}), kFormat, "has 4097 bytes, allowed are 4096"},
        {"no types", drop("tokenizer.ggml.token_type"), kFormat, "token_type is missing"},
        {"fewer types than tokens", types({1, 1}), kFormat, "token_type has 2 items, tokenizer.ggml.tokens has 5"},
        {"type 6", types({1, 1, 6, 3, 5}), kUnsupported, "token_type[2] is 6"},
        {"type -1", types({1, 1, -1, 3, 5}), kUnsupported, "token_type[2] is -1"},
        {"no merges", drop(merges), kFormat, "merges is missing"},
        {"a merge that is no UTF-8", set(merges, texts_pair(merges, {"a \xff"})), kFormat, "merges[0] is no UTF-8"},
        {"end token 5", count(eos, 5), kFormat, "eos_token_id is 5, there are 5 tokens"},
        {"end token 2^32-1", count(eos, UINT32_MAX), kFormat, "eos_token_id is 4294967295"},
        {"end token -1", set(eos, pair(eos, 5, u32(UINT32_MAX))), kFormat, "eos_token_id is -1"},
        {"a template that is no UTF-8", text("tokenizer.chat_template", "\xff"), kFormat, "tokenizer.chat_template is no UTF-8"},
        {"a template in a list", set("tokenizer.chat_template", texts_pair("tokenizer.chat_template", {"a"})), kFormat, "must be a string"},
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all;
    for (const auto& list : {wrong_keys(), wrong_tensors(), wrong_tokens()})
        for (const Wrong& wrong : list) {
            Model model = good();
            wrong.change(model);
            all.push_back({wrong.name, model.bytes(), wrong.status, wrong.words});
        }
    const std::string bytes = good().bytes(), key = "tokenizer.ggml.tokens";
    const size_t counted = bytes.find(key) + key.size() + 8; // behind the two types
    all.push_back({"2^64-1 tokens", put(bytes, counted, u64(UINT64_MAX)), kFormat, "longer than the file"});
    all.push_back({"a token of 2^64-1 bytes", put(bytes, counted + 8, u64(UINT64_MAX)), kFormat, "cut short"});
    all.push_back({"not a GGUF", "GGML" + bytes.substr(4), kFormat, "does not begin with GGUF"});
    return all;
}

std::vector<Seed> seeds() {
    const std::string small = good().bytes();
    const size_t header = small.size() - good().data.size();
    return {{"qwen2", small, {{8, 8}, {16, 8}}, header}, {"qwen3, whole", whole(), {{8, 8}, {16, 8}}, 400}};
}

} // namespace

Reader gguf_model_reader() { return {"gguf_model", read, check, bad, 75, seeds, {kFormat, kUnsupported}, kName + ": "}; }

} // namespace hostile
