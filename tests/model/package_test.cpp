// Model folders: found, checked against the config, fingerprinted alike however they are cut into files.
#include "files/error.h"
#include "../tree.h"
#include "model/package.h"

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
