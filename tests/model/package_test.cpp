// Model folders: found, checked against the config, fingerprinted alike however they are cut into files.
#include "files/error.h"
#include "../tree.h"
#include "model/package.h"
#include "model/stored_linear.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace steer;
namespace fs = std::filesystem;

namespace {

Tree small_config() {
    return Tree{{"architectures", {"Qwen2ForCausalLM"}}, {"num_hidden_layers", 2}, {"hidden_size", 8}, {"intermediate_size", 16},
                {"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"vocab_size", 20}};
}

struct Stored {
    std::string name;
    Dtype dtype;
    std::vector<int64_t> shape;
    std::string bytes = {}; // empty: zeros
};

// A checkpoint of counted-up float32 weights in a folder of its own, removed at the end.
class Folder {
  public:
    Folder() : path_((fs::temp_directory_path() / "steer_package_XXXXXX").string()) {
        if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
        write("config.json", small_config().dump());
        write("tokenizer.json", "{}");
    }
    ~Folder() { fs::remove_all(path_); }

    const std::string& path() const { return path_; }
    void write(const std::string& name, const std::string& bytes) { std::ofstream(path_ + "/" + name, std::ios::binary) << bytes; }

    // Zeros of these shapes in one file, as a checkpoint of another kind has them.
    void write_tensors(const std::vector<Stored>& stored) {
        std::vector<std::string> zeros;
        for (const Stored& one : stored) {
            size_t bytes = dtype_size(one.dtype);
            for (const int64_t extent : one.shape) bytes *= static_cast<size_t>(extent);
            zeros.push_back(one.bytes.empty() ? std::string(bytes, '\0') : one.bytes);
        }
        std::vector<TensorBytes> tensors;
        for (size_t i = 0; i < stored.size(); i++) tensors.push_back({stored[i].name, stored[i].dtype, stored[i].shape, zeros[i]});
        write("model.safetensors", write_safetensors(tensors, {}));
    }

    // Weights split into files of so many; change may alter the list of shapes first.
    void write_weights(size_t per_file, const std::function<void(std::vector<WeightShape>&)>& change = {}) {
        auto weights = expected_weights(parse_model_config(small_config().dump(), "config.json"));
        if (change) change(weights);
        Tree map = Tree::object();
        for (size_t begin = 0; begin < weights.size(); begin += per_file) {
            const size_t end = std::min(begin + per_file, weights.size());
            const std::string name = per_file >= weights.size() ? "model.safetensors" : fmt::format("part-{}.safetensors", begin);
            std::vector<std::vector<float>> values;
            std::vector<TensorBytes> tensors;
            for (size_t i = begin; i < end; i++) {
                size_t count = 1;
                for (const int64_t extent : weights[i].shape) count *= static_cast<size_t>(extent);
                auto& floats = values.emplace_back(count);
                for (size_t j = 0; j < count; j++) floats[j] = static_cast<float>(std::hash<std::string>()(weights[i].name) % 97 + j);
                map[weights[i].name] = name;
            }
            for (size_t i = begin; i < end; i++) {
                const auto& floats = values[i - begin];
                tensors.push_back({weights[i].name, Dtype::f32, weights[i].shape,
                                   {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)}});
            }
            write(name, write_safetensors(tensors, {}));
        }
        if (per_file < weights.size()) write("model.safetensors.index.json", Tree{{"weight_map", map}}.dump());
    }

  private:
    std::string path_;
};

const Tree kGptq{{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 8}}, kAwq{{"quant_method", "awq"}, {"bits", 4}, {"group_size", 8}},
    kNf4{{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};

std::vector<Stored> packed_linear(const std::string& module, int64_t n, int64_t k, QuantMethod method) {
    if (method == QuantMethod::nf4) {
        const std::string state = Tree{{"quant_type", "nf4"}, {"blocksize", 8}, {"shape", {n, k}}}.dump(), weight = module + "weight";
        return {{weight, Dtype::u8, {n * k / 2, 1}}, {weight + ".quant_map", Dtype::f32, {16}}, {weight + ".absmax", Dtype::f32, {n * k / 8}},
                {weight + ".quant_state.bitsandbytes__nf4", Dtype::u8, {static_cast<int64_t>(state.size())}, state}};
    }
    const bool gptq = method == QuantMethod::gptq;
    return {{module + "qweight", Dtype::i32, gptq ? std::vector{k / 8, n} : std::vector{k, n / 8}},
            {module + "qzeros", Dtype::i32, {k / 8, n / 8}}, {module + "scales", Dtype::f16, {k / 8, n}}};
}

// The folder of a quantised checkpoint: every linear packed, the head as it was. change may alter the tensors first.
void write_quantised(Folder& folder, const Tree& settings, const std::function<void(std::vector<Stored>&)>& change = {}) {
    Tree config = small_config();
    config["num_key_value_heads"] = 2; // rows of all matrices are a multiple of 8
    config["quantization_config"] = settings;
    folder.write("config.json", config.dump());
    const ModelConfig parsed = parse_model_config(config.dump(), "config.json");
    std::vector<Stored> stored;
    for (const WeightShape& weight : expected_weights(parsed)) {
        if (!weight.name.ends_with("_proj.weight")) {
            stored.push_back({weight.name, Dtype::f16, weight.shape});
            continue;
        }
        const std::string module = weight.name.substr(0, weight.name.size() - 6);
        for (const Stored& part : packed_linear(module, weight.shape[0], weight.shape[1], parsed.quantisation.method)) stored.push_back(part);
    }
    if (change) change(stored);
    folder.write_tensors(stored);
}

void refuses(const Folder& folder, steer_status status, const std::string& words) {
    try {
        open_package(folder.path());
        FAIL("was not refused");
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
    }
}

} // namespace

TEST_CASE("a folder opens, and its fingerprint does not depend on how it is cut") {
    Folder whole, shards;
    whole.write_weights(1000);
    shards.write_weights(5);
    const auto a = open_package(whole.path()), b = open_package(shards.path());
    CHECK(b->files.size() > 1);
    CHECK(fingerprint(*a, {}) == fingerprint(*b, {}));
    CHECK(fingerprint(*a, {}) != fingerprint(*a, {1}));
}

TEST_CASE("another weight, another fingerprint") {
    Folder a, b;
    a.write_weights(1000);
    b.write_weights(1000);
    std::fstream file(b.path() + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end);
    file.write("\1\2\3\4", 4);
    file.close();
    CHECK(fingerprint(*open_package(a.path()), {}) != fingerprint(*open_package(b.path()), {}));
}

TEST_CASE("a head left out is the embedding") {
    Folder folder;
    folder.write_weights(1000, [](auto& weights) { std::erase_if(weights, [](const auto& w) { return w.name == "lm_head.weight"; }); });
    CHECK(open_package(folder.path())->config.tied_head);
}

TEST_CASE("the chat template is found in its own file, in the tokenizer's, and among several") {
    Folder folder;
    folder.write_weights(1000);
    CHECK(open_package(folder.path())->chat_template.empty());
    folder.write("tokenizer_config.json", R"({"chat_template": "one"})");
    CHECK(open_package(folder.path())->chat_template == "one");
    folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]})");
    CHECK(open_package(folder.path())->chat_template == "b");
    folder.write("chat_template.jinja", "own");
    CHECK(open_package(folder.path())->chat_template == "own");
}

TEST_CASE("broken folders are refused in words") {
    Folder folder;
    refuses(folder, STEER_ERR_IO, "model.safetensors");
    folder.write_weights(1000, [](auto& weights) { weights.pop_back(); });
    refuses(folder, STEER_ERR_FORMAT, "is missing");
    folder.write_weights(1000, [](auto& weights) { weights[3].shape[0] += 1; });
    refuses(folder, STEER_ERR_FORMAT, "config.json asks for");
    folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "../../elsewhere.safetensors"}})");
    refuses(folder, STEER_ERR_FORMAT, "in the folder itself");
    folder.write("model.safetensors.index.json", R"({"weight_map": {}})");
    refuses(folder, STEER_ERR_FORMAT, "is empty");
    folder.write("config.json", "{");
    refuses(folder, STEER_ERR_FORMAT, "config.json");
    Folder twice;
    twice.write_weights(5);
    twice.write("model.safetensors.index.json", R"({"weight_map": {"a": "part-0.safetensors", "b": "copy.safetensors"}})");
    fs::copy_file(twice.path() + "/part-0.safetensors", twice.path() + "/copy.safetensors");
    refuses(twice, STEER_ERR_FORMAT, "another file");
}

TEST_CASE("a quantised folder opens, and every part of a linear is found") {
    for (const Tree& settings : {kGptq, kAwq, kNf4}) {
        INFO(settings.dump());
        Folder folder;
        write_quantised(folder, settings);
        const auto package = open_package(folder.path());
        CHECK(package->stored_dtype == Dtype::f16);
        const StoredLinear up = find_linear(*package, {"model.layers.1.mlp.up_proj.weight", {16, 8}, true});
        CHECK(up.form == package->config.quantisation.method);
        CHECK(up.group == 8);
        CHECK(up.parts().size() == 3);
        CHECK(find_linear(*package, {"lm_head.weight", {20, 8}, true}).form == QuantMethod::none);
    }
}

TEST_CASE("a part of a quantised linear that is missing, or is another's, is named") {
    const auto without = [](const Tree& settings, const std::string& part) {
        INFO(part);
        Folder folder;
        write_quantised(folder, settings, [&](auto& all) { std::erase_if(all, [&](const Stored& one) { return one.name == part; }); });
        refuses(folder, STEER_ERR_FORMAT, "weight " + part + " is missing");
    };
    const std::string module = "model.layers.1.mlp.down_proj.";
    for (const char* part : {"qweight", "qzeros", "scales"}) {
        without(kGptq, module + part);
        without(kAwq, module + part);
    }
    for (const char* part : {"weight.absmax", "weight.quant_map", "weight.quant_state.bitsandbytes__nf4"}) without(kNf4, module + part);

    const auto with = [&](const Tree& settings, const std::string& part, const std::function<void(Stored&)>& change, const std::string& words) {
        INFO(part);
        Folder folder;
        write_quantised(folder, settings, [&](auto& all) {
            for (Stored& one : all)
                if (one.name == module + part) change(one);
        });
        refuses(folder, STEER_ERR_FORMAT, words);
    };
    with(kGptq, "scales", [](Stored& one) { one.dtype = Dtype::u8; }, module + "scales is stored as");
    with(kGptq, "qweight", [](Stored& one) { std::swap(one.shape[0], one.shape[1]); }, module + "qweight has shape [8, 2], config.json asks for [2, 8]");
    with(kAwq, "qzeros", [](Stored& one) { one.shape[0] = 1; }, module + "qzeros has shape [1, 1], config.json asks for [2, 1]");
    with(kNf4, "weight.absmax", [](Stored& one) { one.dtype = Dtype::u8; }, module + "weight.absmax is stored as");
    with(kNf4, "weight", [](Stored& one) { one.shape[0] /= 2; }, module + "weight has shape");
}

TEST_CASE("groups that do not divide a matrix are refused") {
    for (Tree settings : {kGptq, kAwq}) {
        settings["group_size"] = 12;
        Folder folder;
        write_quantised(folder, settings);
        refuses(folder, STEER_ERR_FORMAT, "q_proj.weight has 8 columns, which 12 does not divide: \"group_size\" in \"quantization_config\"");
    }
}
