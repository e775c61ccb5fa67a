// What a quantised checkpoint says of itself: "quantization_config" of config.json, and the JSON in a tensor of bytes by which
// bitsandbytes describes each matrix.
#include "edit.h"
#include "model/package.h"
#include "model/stored_linear.h"
#include "tiny_model.h"

#include <cmath>

using namespace steer;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
const std::string kConfig = "config.json", kModule = "model.layers.0.self_attn.q_proj.",
                  kState = kModule + "weight.quant_state.bitsandbytes__nf4";
constexpr int64_t kRows = 16, kColumns = 16; // of the matrix

std::function<void(Tree&)> set(const std::string& key, const Tree& value) {
    return [=](Tree& json) { json[key] = value; };
}
std::function<void(Tree&)> drop(const std::string& key) {
    return [=](Tree& json) { json.erase(key); };
}

Seed seed(const char* name, const Tree& json) { return {name, json.dump(), {}}; }

void add(std::vector<Bad>& all, const std::vector<Bad>& more) { all.insert(all.end(), more.begin(), more.end()); }

// -- "quantization_config": the bytes are its value

std::string config_around(std::string_view settings) {
    return R"({"architectures": ["Qwen2ForCausalLM"], "num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 16,)"
           R"( "num_attention_heads": 2, "vocab_size": 20, "quantization_config": )" + std::string(settings) + "}";
}

void read_settings(std::string_view bytes) { (void)parse_model_config(config_around(bytes), kConfig); }

void check_settings(std::string_view bytes) {
    const QuantConfig quantisation = parse_model_config(config_around(bytes), kConfig).quantisation;
    promise(quantisation.method <= QuantMethod::nf4, "a method that there is not");
    const bool grouped = quantisation.method == QuantMethod::gptq || quantisation.method == QuantMethod::awq;
    promise(grouped == (quantisation.group_size != 0), "a group size without a method that has one, or none for one that has");
    promise(quantisation.group_size >= -1 && quantisation.group_size <= 1 << 20, "a group size outside of its range");
}

Tree gptq() { return {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 128}, {"desc_act", false}, {"checkpoint_format", "gptq"}}; }
Tree awq() { return {{"quant_method", "awq"}, {"bits", 4}, {"group_size", 64}, {"version", "gemm"}, {"zero_point", true}}; }
Tree nf4() { return {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"load_in_8bit", false}, {"bnb_4bit_quant_type", "nf4"}}; }

std::vector<Bad> bad_settings() {
    std::vector<Bad> all = edited(gptq(), {
        {"a method of another kind", set("quant_method", "fp8"), kUnsupported, "\"quant_method\" is 'fp8'"},
        {"a method with a terminal's escape", set("quant_method", "\x1b[31m"), kUnsupported, "\\x1b[31m"},
        {"a method of 1 MiB", set("quant_method", std::string(1 << 20, 'g')), kUnsupported, "ggg...'"},
        {"a method that is a number", set("quant_method", 4), kFormat, "quant_method"},
        {"no method", drop("quant_method"), kUnsupported, "\"quant_method\" is ''"},
        {"no bits", drop("bits"), kFormat, "\"bits\" is missing"},
        {"0 bits", set("bits", 0), kFormat, "\"bits\" is 0"},
        {"3 bits", set("bits", 3), kUnsupported, "\"bits\" is 3"},
        {"bits 2^64-1", set("bits", UINT64_MAX), kFormat, "\"bits\" is 18446744073709551615"},
        {"bits -4", set("bits", -4), kFormat, "\"bits\" is -4"},
        {"bits 4.0", set("bits", 4.0), kFormat, "\"bits\" must be a whole number"},
        {"bits for each layer", set("bits", Tree{{"0", 4}}), kFormat, "bits"},
        {"groups of 0", set("group_size", 0), kFormat, "\"group_size\" of \"quantization_config\" is 0"},
        {"groups of -2", set("group_size", -2), kFormat, "\"group_size\" is -2"},
        {"groups of 2^63", set("group_size", uint64_t{1} << 63), kFormat, "group_size"},
        {"groups of -2^63", set("group_size", INT64_MIN), kFormat, "group_size"},
        {"groups in words", set("group_size", "128"), kFormat, "\"group_size\" must be a whole number"},
        {"act order 1", set("desc_act", 1), kFormat, "\"desc_act\" must be true or false"},
        {"another format", set("checkpoint_format", "marlin"), kUnsupported, "\"checkpoint_format\" is 'marlin'"},
        {"a format that is a list", set("checkpoint_format", {"gptq"}), kFormat, "checkpoint_format"},
        {"other bits for some layers", set("dynamic", {{"x", {{"bits", 8}}}}), kUnsupported, "\"dynamic\""},
        {"dynamic a number", set("dynamic", 1), kUnsupported, "\"dynamic\""},
    });
    add(all, edited(awq(), {
        {"another version", set("version", "gemv"), kUnsupported, "\"version\" is 'gemv'"},
        {"a version with a zero byte", set("version", std::string("gemm\0", 5)), kUnsupported, "gemm\\x00"},
        {"no zero points", set("zero_point", false), kUnsupported, "\"zero_point\" is false"},
        {"zero points 0", set("zero_point", 0), kFormat, "\"zero_point\" must be true or false"},
        {"groups of 2^20 + 1", set("group_size", (1 << 20) + 1), kFormat, "group_size"},
    }));
    add(all, edited(nf4(), {
        {"8 bits", set("load_in_8bit", true), kUnsupported, "\"load_in_8bit\" is true"},
        {"not 4 bits", drop("load_in_4bit"), kUnsupported, "\"load_in_4bit\" is false"},
        {"4 bits maybe", set("load_in_4bit", "true"), kFormat, "\"load_in_4bit\" must be true or false"},
        {"fp4", drop("bnb_4bit_quant_type"), kUnsupported, "\"bnb_4bit_quant_type\" is 'fp4'"},
    }));
    for (Bad& bad : no_json(kConfig)) {
        if (bad.bytes == "null" || bad.name == "two values") continue; // not quantised; inside an object not JSON in another way
        if (bad.words == "JSON object") bad.words = "\"quantization_config\" must be an object";
        if (bad.name == "cut short") bad.words = "config.json: not valid JSON near byte";
        all.push_back(bad);
    }
    return all;
}

std::vector<Seed> settings_seeds() {
    Tree older = nf4();
    older.erase("quant_method");
    return {seed("GPTQ", gptq()), seed("AWQ", awq()), seed("NF4", nf4()), seed("older NF4", older), {"none", "null", {}}};
}

// -- quant_state, in a folder where one matrix is NF4 and its description lies in a file of its own

std::string zeros(size_t size) { return std::string(size, '\0'); }

std::vector<TensorBytes> nf4_parts(const std::string& codes, const std::string& scales, const std::string& levels) {
    return {{kModule + "weight", Dtype::u8, {kRows * kColumns / 2, 1}, codes},
            {kModule + "weight.absmax", Dtype::u8, {kRows * kColumns / 16}, scales},
            {kModule + "weight.nested_absmax", Dtype::f32, {1}, std::string_view(levels).substr(0, 4)},
            {kModule + "weight.nested_quant_map", Dtype::f32, {256}, levels},
            {kModule + "weight.quant_map", Dtype::f32, {16}, std::string_view(levels).substr(0, 64)}};
}

// The tiny model's folder, its first matrix packed instead.
void make_nf4(const tiny::Folder& folder) {
    Tree config = Tree::parse(open_package(folder.path())->config_text);
    config["quantization_config"] = nf4();
    const auto package = open_package(folder.path());
    std::vector<std::string> bytes;
    for (const auto& [name, place] : package->weights) place.read(0, bytes.emplace_back(zeros(place.tensor->size())).data(), place.tensor->size());
    std::vector<TensorBytes> tensors;
    size_t at = 0;
    for (const auto& [name, place] : package->weights) {
        if (name != kModule + "weight") tensors.push_back({name, place.tensor->dtype, place.tensor->shape, bytes[at]});
        at++;
    }
    const std::string codes = zeros(kRows * kColumns / 2), scales = zeros(kRows * kColumns / 16), levels = zeros(4 * 256);
    for (const TensorBytes& part : nf4_parts(codes, scales, levels)) tensors.push_back(part);
    folder.write("config.json", config.dump());
    folder.write("a.safetensors", write_safetensors(tensors, {}));
    folder.write("model.safetensors.index.json", R"({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}})");
}

const tiny::Folder& state_folder() {
    static const tiny::Folder folder;
    static const bool made = (make_nf4(folder), true);
    (void)made;
    return folder;
}

std::shared_ptr<const Package> open_with(std::string_view state) {
    state_folder().write("b.safetensors", write_safetensors({{kState, Dtype::u8, {static_cast<int64_t>(state.size())}, state}}, {}));
    return open_package(state_folder().path());
}

void read_state(std::string_view bytes) { (void)open_with(bytes); }

void check_state(std::string_view bytes) {
    const auto package = open_with(bytes);
    const StoredLinear linear = find_linear(*package, {kModule + "weight", {kRows, kColumns}, true});
    promise(linear.form == QuantMethod::nf4 && linear.rows == kRows && linear.columns == kColumns, "another matrix");
    promise(linear.group > 0 && kColumns % linear.group == 0, "groups that do not divide a row");
    promise(linear.nested_group > 0, "scales of scales without groups");
    promise(std::isfinite(linear.nested_offset), "an offset that is no number");
    promise(linear.parts().size() == 5, "other parts than there are");
}

Tree good_state() {
    return Tree{{"quant_type", "nf4"}, {"blocksize", 16}, {"dtype", "bfloat16"}, {"shape", {kRows, kColumns}}, {"nested_blocksize", 256},
                {"nested_dtype", "float32"}, {"nested_offset", 0.25}};
}

std::vector<Bad> bad_state() {
    Tree long_shape = Tree::array();
    for (int i = 0; i < 5000; i++) long_shape.push_back(i);
    std::vector<Bad> all = edited(good_state(), {
        {"no block size", drop("blocksize"), kFormat, "\"blocksize\" is missing"},
        {"blocks of 0", set("blocksize", 0), kFormat, "\"blocksize\" is 0"},
        {"blocks of -16", set("blocksize", -16), kFormat, "\"blocksize\" is -16"},
        {"blocks of 2^64-1", set("blocksize", UINT64_MAX), kFormat, "blocksize"},
        {"blocks of 2^20 + 1", set("blocksize", (1 << 20) + 1), kFormat, "blocksize"},
        {"blocks that divide no row", set("blocksize", 12), kFormat, "has 16 columns, which 12 does not divide"},
        {"blocks larger than a row", set("blocksize", 32), kFormat, "has 16 columns, which 32 does not divide"},
        {"blocks that make more scales than there are", set("blocksize", 8), kFormat, "weight.absmax has shape [16], config.json asks for [32]"},
        {"no shape", drop("shape"), kFormat, "\"shape\" is missing"},
        {"a shape that is a number", set("shape", 256), kFormat, "shape"},
        {"an empty shape", set("shape", Tree::array()), kFormat, "\"shape\" is '[]', config.json asks for [16, 16]"},
        {"a shape of one", set("shape", {256}), kFormat, "\"shape\" is '[256]'"},
        {"another shape", set("shape", {16, 8}), kFormat, "\"shape\" is '[16,8]'"},
        {"a shape that wraps", set("shape", {uint64_t{1} << 63, 16}), kFormat, "\"shape\" is"},
        {"a shape of 2^64-1", set("shape", {UINT64_MAX, UINT64_MAX}), kFormat, "\"shape\" is"},
        {"a negative shape", set("shape", {-16, -16}), kFormat, "\"shape\" is '[-16,-16]'"},
        {"a shape of fractions", set("shape", {16.0, 16.0}), kFormat, "\"shape\" is '[16.0,16.0]'"},
        {"a shape of 5,000", set("shape", long_shape), kFormat, "...', config.json asks for [16, 16]"},
        {"a shape of words with a terminal's escape", set("shape", {"\x1b[31m", "\x7f"}), kFormat, "\"shape\" is"},
        {"no outer block size", drop("nested_blocksize"), kFormat, "\"nested_blocksize\" is missing"},
        {"outer blocks of 0", set("nested_blocksize", 0), kFormat, "\"nested_blocksize\" is 0"},
        {"outer blocks that make more scales", set("nested_blocksize", 8), kFormat, "weight.nested_absmax has shape [1], config.json asks for [2]"},
        {"no offset", drop("nested_offset"), kFormat, "\"nested_offset\" is missing"},
        {"an offset of 1e300", set("nested_offset", 1e300), kFormat, "nested_offset"},
        {"an offset in words", set("nested_offset", "0"), kFormat, "\"nested_offset\" must be a number"},
    });
    for (Bad& bad : no_json(kState)) {
        const bool large = bad.bytes.size() > 64 << 10; // not read at all
        all.push_back({bad.name, bad.bytes, bad.status, large ? "must be at most 65536 bytes of JSON" : bad.words});
    }
    return all;
}

std::vector<Seed> state_seeds() { return {seed("as bitsandbytes writes it", good_state())}; }

} // namespace

Reader quant_config_reader() {
    Reader reader{"quant_config", read_settings, check_settings, bad_settings, 40, settings_seeds, {kFormat, kUnsupported}, kConfig + ": "};
    reader.json = true;
    return reader;
}

Reader quant_state_reader() {
    Reader reader{"quant_state", read_state, check_state, bad_state, 30, state_seeds, {kFormat, kUnsupported}, ""};
    reader.json = true;
    return reader;
}

} // namespace hostile
