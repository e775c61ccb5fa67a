// Configuration files, saved chats, and which file beside a model is its vector.
#include <catch2/catch.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "config.h"
#include "conversation.h"
#include "find_files.h"
#include "options.h"

using namespace chat;
namespace fs = std::filesystem;

namespace {

class Folder {
  public:
    Folder() : path_(fs::temp_directory_path() / ("steer_chat_test" + std::to_string(getpid()))) {
        fs::remove_all(path_);
        fs::create_directories(path_);
    }
    ~Folder() { fs::remove_all(path_); }
    std::string write(const std::string& name, const std::string& text, int minutes_old = 0) const {
        const fs::path file = path_ / name;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
        fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::minutes(minutes_old));
        return file.string();
    }
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  private:
    fs::path path_;
};

Options read(std::vector<const char*> words) {
    words.insert(words.begin(), "steer_chat");
    return read_options(static_cast<int>(words.size()), words.data());
}

std::string refusal(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("options have the stated defaults") {
    const Options o = read({});
    CHECK(o.max_tokens == 128);
    CHECK(o.temperature == 0.7f);
    CHECK(o.top_p == 0.9f);
    CHECK(o.unit == STEER_UNIT_RAW);
    CHECK_FALSE(o.layers);
    CHECK_FALSE(o.system);
    CHECK_FALSE(o.json);
    CHECK(o.weights == STEER_WEIGHTS_AS_STORED);
}

TEST_CASE("options are read") {
    const Options o =
        read({"--strength", "-3.5", "--layers", "20-50", "--visualize-layer", "20", "--visualize-layer", "48",
              "--device", "cuda:1", "--dtype", "bfloat16", "--weights", "nf4", "--seed", "18446744073709551615", "--once", "-x"});
    CHECK(o.strength == -3.5f);
    CHECK(o.layers->first == 20);
    CHECK(o.layers->last == 50);
    CHECK(o.visualize_layers == std::vector<int>{20, 48});
    CHECK(o.device == "cuda:1");
    CHECK(o.dtype == STEER_DTYPE_BF16);
    CHECK(o.weights == STEER_WEIGHTS_NF4);
    CHECK(o.seed == UINT64_MAX);
    CHECK(o.once == "-x");
    CHECK(read({"--device", "auto"}).device.empty());
}

TEST_CASE("wrong options are refused in words that name them") {
    auto words_of = [](std::vector<const char*> words) { return refusal([&] { read(words); }); };
    CHECK(words_of({"--strength", "much"}).find("--strength") != std::string::npos);
    CHECK(words_of({"--strength", "nan"}).find("--strength") != std::string::npos);
    CHECK(words_of({"--strength", "1e99"}).find("--strength") != std::string::npos);
    CHECK(words_of({"--layers", "50-20"}).find("--layers") != std::string::npos);
    CHECK(words_of({"--layers", "a-b"}).find("--layers") != std::string::npos);
    CHECK(words_of({"--unit", "kg"}).find("--unit") != std::string::npos);
    CHECK(words_of({"--max-tokens", "0"}).find("--max-tokens") != std::string::npos);
    CHECK(words_of({"--device", "tpu"}).find("--device") != std::string::npos);
    CHECK(words_of({"--dtype", "int8"}).find("--dtype") != std::string::npos);
    CHECK(words_of({"--weights", "int5"}) == "--weights: 'int5' is not as_stored, int8, int4 or nf4");
    CHECK(words_of({"--temperature", "-1"}).find("--temperature") != std::string::npos);
    CHECK(words_of({"--top-p", "1.5"}).find("--top-p") != std::string::npos);
    CHECK(words_of({"--json"}).find("--once") != std::string::npos);
    CHECK(words_of({"--nonsense"}).find("--nonsense") != std::string::npos);
    CHECK(words_of({"stray"}).find("stray") != std::string::npos);
}

TEST_CASE("a configuration of the older console is read, the rest is named in one warning") {
    const Folder folder;
    const std::string path = folder.write("c.yaml", R"(
model:
  path: /models/Qwen2.5-32B
  quantization: bitsandbytes
  weights: int4
vllm:
  host: localhost
generation:
  num_pairs_per_batch: 30
  temperature: 0.8
  top_p: 0.95
  max_new_tokens: 64
  stop: ["###", "\n\n\n"]
persona:
  strength: 12
  layers: 20-50
  visualize_layer: [35, 48]
validation:
  require_ash: true
)");
    const Options o = read({"--config", path.c_str(), "--temperature", "0.5"});
    CHECK(o.model == "/models/Qwen2.5-32B");
    CHECK(o.weights == STEER_WEIGHTS_INT4);
    CHECK(o.temperature == 0.5f); // the command line goes first
    CHECK(o.top_p == 0.95f);
    CHECK(o.max_tokens == 64);
    CHECK(o.stop == std::vector<std::string>{"###", "\n\n\n"});
    CHECK(o.strength == 12.0f);
    CHECK(o.layers->last == 50);
    CHECK(o.visualize_layers == std::vector<int>{35, 48});
    REQUIRE(o.warnings.size() == 1);
    for (const char* name :
         {"model.quantization", "vllm.host", "generation.num_pairs_per_batch", "validation.require_ash"}) {
        CHECK(o.warnings[0].find(name) != std::string::npos);
    }
    CHECK(o.warnings[0].find("model.path") == std::string::npos);
}

TEST_CASE("a configuration that cannot be read is refused in words") {
    const Folder folder;
    auto words_of = [&](const std::string& text) {
        const std::string path = folder.write("c.yaml", text);
        return refusal([&] { read({"--config", path.c_str()}); });
    };
    CHECK(refusal([&] { read({"--config", "/nowhere.yaml"}); }).find("/nowhere.yaml") != std::string::npos);
    CHECK(words_of("generation: {temperature: hot}").find("generation.temperature") != std::string::npos);
    CHECK(words_of("model: {weights: bf16}").find("model.weights: 'bf16' is not as_stored, int8") != std::string::npos);
    CHECK(words_of("a: [1").find("line") != std::string::npos);
    CHECK(words_of("- 1").find("map") != std::string::npos);
    CHECK(words_of("generation: {temperature: [1, 2]}").find("one value") != std::string::npos);
    CHECK(words_of("").empty());
}

TEST_CASE("a chat is saved and comes back") {
    const Folder folder;
    SavedChat chat{"/m",
                   "ab",
                   SavedPersona{"v.pt", "cd", 8.25f, {20, 50}},
                   {{"system", "s"}, {"user", "こんにちは\n\"x\""}, {"assistant", "😀"}}};
    const std::string path = folder / "chat.json";
    save_chat(path, chat);
    const SavedChat back = load_chat(path);
    REQUIRE(back.messages.size() == 3);
    CHECK(back.messages[1].content == "こんにちは\n\"x\"");
    CHECK(back.messages[2].role == "assistant");
    CHECK(back.persona->strength == 8.25f);
    CHECK(back.persona->layers.last == 50);
    CHECK(back.model_fingerprint == "ab");
}

TEST_CASE("saving that fails leaves the old file whole and nothing beside it") {
    const Folder folder;
    const std::string path = folder.write("kept/chat.json", "old");
    const std::string blocker = folder / ("kept/chat.json.tmp" + std::to_string(getpid()));
    fs::create_directory(blocker);
    CHECK(refusal([&] { save_chat(path, SavedChat{}); }).find(path) != std::string::npos);
    fs::remove(blocker);
    std::string text;
    std::getline(std::ifstream(path) >> std::ws, text);
    CHECK(text == "old");
    CHECK(refusal([&] { save_chat(folder / "nowhere/chat.json", SavedChat{}); }).find("nowhere") != std::string::npos);
    save_chat(path, SavedChat{});
    CHECK(std::distance(fs::directory_iterator(folder / "kept"), fs::directory_iterator()) == 1);
}

TEST_CASE("files that are no saved chats are refused in words") {
    const Folder folder;
    auto words_of = [&](const std::string& text) {
        const std::string path = folder.write("x.json", text);
        return refusal([&] { load_chat(path); });
    };
    CHECK(words_of("").find("JSON") != std::string::npos);
    CHECK(words_of("[]").find("format") != std::string::npos);
    CHECK(words_of(R"({"format":"steer-chat","version":2})").find("version") != std::string::npos);
    CHECK(words_of(R"({"format":"steer-chat","version":1})").find("model") != std::string::npos);
    const std::string head = R"({"format":"steer-chat","version":1,"model":{"path":"","fingerprint":""},)";
    CHECK(words_of(head + R"("messages":7})").find("messages") != std::string::npos);
    CHECK(words_of(head + R"("messages":[{"role":"user"}]})").find("message 1") != std::string::npos);
    CHECK(words_of(head + R"("messages":[{"role":"god","content":""}]})").find("god") != std::string::npos);
    CHECK(words_of(head + R"("persona":{"strength":"x"},"messages":[]})").find("strength") != std::string::npos);
    CHECK(words_of(head +
                   R"("persona":{"strength":1e300,"layers":"1-2","vector":"","vector_fingerprint":""},"messages":[]})")
              .find("strength") != std::string::npos);
    CHECK(words_of(std::string(100000, '[')).find("JSON") != std::string::npos);
    CHECK(refusal([&] { load_chat(folder / "none.json"); }).find("none.json") != std::string::npos);
    CHECK(refusal([&] { load_chat(folder / "."); }).size() > 0);
}

TEST_CASE("the newest vector that fits is found, in all four places") {
    for (const char* place : {"m/vectors/new.pt", "m/new.safetensors", "new.safetensors", "vectors/new.gguf"}) {
        const Folder folder;
        folder.write("m/config.json", "{}");
        folder.write("m/vectors/old.pt", "old", 60);
        folder.write(place, "the new one", 30);
        folder.write("m/vectors/foreign.pt", "other model", 10);
        folder.write("m/vectors/rubbish.pt", "not a vector", 5);
        folder.write("m/model.safetensors", "weights", 1);
        folder.write("m/notes.txt", "notes", 1);
        ModelSettings settings{folder / "m", "", STEER_DTYPE_AUTO, {}};
        const Model model = load_model(settings);
        const FoundVector found = find_vector(folder / "m", model.get());
        REQUIRE(found.vector);
        CHECK(std::string(vector_info(found.vector.get()).name) == "the new one");
    }
}

TEST_CASE("nothing that fits is nothing found") {
    const Folder folder;
    folder.write("m/config.json", "{}");
    folder.write("m/vectors/foreign.pt", "other model");
    ModelSettings settings{folder / "m", "", STEER_DTYPE_AUTO, {}};
    const Model model = load_model(settings);
    CHECK_FALSE(find_vector(folder / "m", model.get()).vector);
}
