// Process, models, text and chat: what the C functions say, held and converted.
#include "host.h"

using namespace host;

TEST_CASE("version and status") {
    CHECK(steer::version() == STEER_VERSION);
    CHECK(steer::version_fits());
    CHECK_THAT(std::string(steer::build_info()), Catch::Contains("fake backend"));
    CHECK(std::string(steer::status_name(STEER_ERR_IO)) == "STEER_ERR_IO");
    THROWS(steer::set_threads(-1, 0), STEER_ERR_ARG, "intra_op");
}

TEST_CASE("a model is loaded with options and says what it is") {
    float last = 0.0f;
    const steer::Model model = steer::Model::load(folder().path(), {.dtype = steer::Dtype::f32,
                                                                    .device = "cpu",
                                                                    .progress = [&](float fraction) {
                                                                        last = fraction;
                                                                        return steer::Flow::go_on;
                                                                    }});
    CHECK(last == 1.0f);
    const steer_model_info info = model.info();
    CHECK(info.layer_count == 3);
    CHECK(info.hidden_size == 16);
    CHECK(info.residency == STEER_RESIDENCY_DEVICE);
    CHECK(model.text(steer::ModelText::architecture) == "Qwen2ForCausalLM");
    CHECK_THAT(model.text(steer::ModelText::config), Catch::Contains("num_hidden_layers"));
    CHECK_THAT(model.text(steer::ModelText::chat_template), Catch::Contains("im_start"));
    CHECK_THAT(model.text(steer::ModelText::generation_config), Catch::Contains("top_p"));
}

TEST_CASE("options that are left out are the library's own, those given arrive") {
    THROWS(steer::Model::load("/nowhere/at all"), STEER_ERR_IO, "/nowhere/at all");
    const auto load_with = [](steer::ModelOptions options) { return steer::Model::load(folder().path(), options); };
    THROWS(load_with({.device = "gpu"}), STEER_ERR_ARG, "device");
    THROWS(load_with({.dtype = static_cast<steer::Dtype>(9)}), STEER_ERR_ARG, "dtype");
    THROWS(load_with({.weights = static_cast<steer::Weights>(9)}), STEER_ERR_ARG, "weights");
    THROWS(load_with({.residency = static_cast<steer::Residency>(9)}), STEER_ERR_ARG, "residency");
    THROWS(load_with({.priority = static_cast<steer::Priority>(9)}), STEER_ERR_ARG, "priority");
    THROWS(load_with({.device_memory_max = 1}), STEER_ERR_DEVICE_MEMORY, "device_memory_max");
}

TEST_CASE("owners move, and are empty afterwards") {
    steer::Model model = load();
    steer_model* const handle = model.get();
    steer::Model other = std::move(model);
    CHECK(other.get() == handle);
    CHECK_FALSE(model);
    THROWS(model.info(), STEER_ERR_ARG, "model is NULL");
    model = std::move(other);
    CHECK(model.info().layer_count == 3);
    steer::Model& self = model;
    model = std::move(self);
    CHECK(model.get() == handle);
    steer_model_info info;
    model.reset();
    CHECK(steer_model_get_info(handle, &info, sizeof info, nullptr) == STEER_ERR_ARG); // it was freed
    {
        const steer::Model scoped(load().release());
        other = steer::Model(load());
        other.reset();
        CHECK(scoped.info().layer_count == 3);
    }
}

TEST_CASE("weights come and go") {
    steer::Model model = steer::Model::load(folder().path(), {.residency = steer::Residency::none});
    CHECK(model.info().residency == STEER_RESIDENCY_NONE);
    int calls = 0;
    model.set_residency(steer::Residency::device, [&](float) {
        calls++;
        return steer::Flow::go_on;
    });
    CHECK(calls > 1);
    CHECK(model.info().residency == STEER_RESIDENCY_DEVICE);
    model.set_residency(steer::Residency::none);
    const auto stop = [](float) { return steer::Flow::stop; };
    THROWS(model.set_residency(steer::Residency::device, stop), STEER_ERR_CANCELLED, "stopped");
}

TEST_CASE("text to tokens and back") {
    const steer::Model model = steer::Model::load(folder().path(), {.residency = steer::Residency::none});
    const std::string text = "hello, こんにちは\n";
    const std::vector<int32_t> ids = model.encode(text);
    size_t count = 0;
    REQUIRE(steer_text_encode(model.get(), text.data(), text.size(), 0, nullptr, 0, &count, nullptr) == STEER_OK);
    CHECK(ids.size() == count);
    CHECK(model.decode(ids) == text);
    CHECK(model.encode("").empty());
    CHECK(model.decode({}).empty());
    CHECK(model.encode("<|im_end|>", true) == std::vector<int32_t>{kImEnd});
    CHECK(model.encode("<|im_end|>").size() > 1);
    CHECK(model.decode(std::vector<int32_t>{kImEnd}, true) == "<|im_end|>");
    CHECK(model.decode(std::vector<int32_t>{kImEnd}).empty());
    THROWS(model.decode(std::vector<int32_t>{-1}), STEER_ERR_ARG, "ids[0]");
}

TEST_CASE("chats become text and tokens") {
    const steer::Model model = steer::Model::load(folder().path(), {.residency = steer::Residency::none});
    const std::vector<steer::Message> talk{{.role = "user", .content = "hi"}};
    CHECK(model.format_chat(talk) == "<|im_start|>user\nhi<|im_end|>\n");
    CHECK(model.format_chat(talk, {.open_reply = true}) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    const steer::Tokens tokens = model.encode_chat(talk, {.open_reply = true});
    CHECK(model.decode(tokens.ids, true) == model.format_chat(talk, {.open_reply = true}));
    CHECK(tokens.marks.size() == tokens.ids.size());
    const std::vector<steer::Message> more{{.role = "user", .content = "hi"}, {.role = "assistant", .content = "oh"}};
    CHECK(model.format_chat(more, {.continue_last = true}) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\noh");
    const steer::Tokens spoken = model.encode_chat(more);
    const size_t voiced = static_cast<size_t>(std::count(spoken.marks.begin(), spoken.marks.end(), 1));
    CHECK(voiced > 0);
    CHECK(voiced < spoken.marks.size());
    const std::string own = "{%- for m in messages %}[{{ m.content }}{{ m.mood }}{{ tone }}{{ tools | length }}]{% endfor %}";
    const std::vector<steer::Message> odd{{.role = "user", .content = "", .extra = R"({"mood":"!"})"}};
    CHECK(model.format_chat(odd, {.tools = "[1,2]", .variables = R"({"tone":"?"})", .template_text = own}) == "[!?2]");
    THROWS(model.format_chat(odd, {.tools = "{}"}), STEER_ERR_ARG, "tools");
    THROWS(model.encode_chat(std::vector<steer::Message>{{}}), STEER_ERR_ARG, "role");
}

TEST_CASE("log lines reach a function, also one that throws") {
    Folder odd;
    odd.write("chat_template.jinja", "{% nonsense %}"); // a model whose template cannot be read says so in the log
    const auto open = [&] { steer::Model::load(odd.path(), {.residency = steer::Residency::none}); };
    std::vector<std::string> lines;
    steer::set_log([&](steer::LogLevel level, std::string_view line) {
        CHECK(level == steer::LogLevel::warn);
        lines.emplace_back(line);
        steer::set_log({}); // not from inside: does nothing
        throw std::runtime_error("the host's own");
    });
    open();
    open();
    CHECK(lines.size() == 2);
    steer::set_log({});
    open();
    CHECK(lines.size() == 2);
}
