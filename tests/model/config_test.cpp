// config.json: both key layouts, defaults, what is refused and in which words; rotary frequencies against their formula.
#include "files/error.h"
#include "../tree.h"
#include "model/config.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>

using namespace steer;

namespace {

Tree qwen2() {
    return Tree{{"architectures", {"Qwen2ForCausalLM"}}, {"num_hidden_layers", 4}, {"hidden_size", 64},
                {"intermediate_size", 128}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"vocab_size", 300},
                {"max_position_embeddings", 512}, {"rope_theta", 1000000.0}};
}

ModelConfig parse(const Tree& json) { return parse_model_config(json.dump(), "config.json"); }

// Of a quantised checkpoint.
ModelConfig parse_quantised(const Tree& settings) {
    Tree json = qwen2();
    json["quantization_config"] = settings;
    return parse(json);
}

void refuses(steer_status status, const std::string& words, const std::function<void(Tree&)>& change) {
    Tree json = qwen2();
    change(json);
    INFO(json.dump());
    try {
        parse(json);
        FAIL("was not refused");
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
        CHECK_THAT(error.what(), Catch::Contains("config.json"));
    }
}

} // namespace

TEST_CASE("a Qwen2 config is read") {
    const ModelConfig config = parse(qwen2());
    CHECK(config.layer_count == 4);
    CHECK(config.head_dim == 16);
    CHECK(config.kv_size() == 32);
    CHECK(config.qkv_bias);
    CHECK_FALSE(config.qk_norm);
    CHECK_FALSE(config.tied_head);
    CHECK(config.rope.theta == 1000000.0);
}

TEST_CASE("a Qwen3 config has norms instead of biases, and its own head size") {
    Tree json = qwen2();
    json["architectures"] = {"Qwen3ForCausalLM"};
    CHECK(parse(json).head_dim == 128); // the family's default, not hidden / heads
    json["head_dim"] = 32;
    const ModelConfig config = parse(json);
    CHECK(config.head_dim == 32);
    CHECK(config.qk_norm);
    CHECK_FALSE(config.qkv_bias);
}

TEST_CASE("older and newer key layouts of YaRN say the same") {
    Tree older = qwen2(), newer = qwen2();
    older["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
    newer.erase("rope_theta");
    newer["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1000000.0}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
    const RopeTable a = make_rope_table(parse(older)), b = make_rope_table(parse(newer));
    CHECK(a.frequencies == b.frequencies);
    CHECK(a.scale == b.scale);
    CHECK(a.scale == Approx(0.1 * std::log(4.0) + 1.0));
}

TEST_CASE("rotary frequencies are theta^(-2i/D); YaRN keeps the fastest and divides the slowest by its factor") {
    Tree json = qwen2();
    const RopeTable plain = make_rope_table(parse(json));
    REQUIRE(plain.frequencies.size() == 8);
    for (int i = 0; i < 8; i++) CHECK(plain.frequencies[i] == Approx(std::pow(1e6, -2.0 * i / 16.0)).epsilon(1e-6));
    CHECK(plain.scale == 1.0f);
    json["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
    const RopeTable yarn = make_rope_table(parse(json));
    CHECK(yarn.frequencies.front() == plain.frequencies.front());
    CHECK(yarn.frequencies.back() == Approx(plain.frequencies.back() / 4.0).epsilon(1e-6));
}

TEST_CASE("what cannot be run is refused by name") {
    refuses(STEER_ERR_UNSUPPORTED, "LlamaForCausalLM", [](Tree& j) { j["architectures"] = {"LlamaForCausalLM"}; });
    refuses(STEER_ERR_UNSUPPORTED, "use_sliding_window", [](Tree& j) { j["use_sliding_window"] = true; });
    refuses(STEER_ERR_UNSUPPORTED, "hidden_act", [](Tree& j) { j["hidden_act"] = "gelu"; });
    refuses(STEER_ERR_UNSUPPORTED, "quantization_config", [](Tree& j) { j["quantization_config"] = {{"bits", 4}}; });
    refuses(STEER_ERR_UNSUPPORTED, "longrope", [](Tree& j) { j["rope_scaling"] = {{"type", "longrope"}, {"factor", 2.0}}; });
}

TEST_CASE("a checkpoint says how it is quantised") {
    CHECK(parse(qwen2()).quantisation.method == QuantMethod::none);
    CHECK(parse_quantised(nullptr).quantisation.method == QuantMethod::none);

    const QuantConfig gptq = parse_quantised({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 64}, {"desc_act", true}}).quantisation;
    CHECK(gptq.method == QuantMethod::gptq);
    CHECK(gptq.group_size == 64);
    CHECK(gptq.zeros_stored_less_1); // what files without "checkpoint_format" do
    CHECK(gptq.act_order);
    const QuantConfig newer = parse_quantised({{"quant_method", "gptq"}, {"bits", 4}, {"group_size", -1}, {"dynamic", Tree::object()},
                                               {"checkpoint_format", "gptq_v2"}}).quantisation;
    CHECK(newer.group_size == -1);
    CHECK_FALSE(newer.zeros_stored_less_1);
    CHECK_FALSE(newer.act_order);

    const QuantConfig awq = parse_quantised({{"quant_method", "awq"}, {"bits", 4}, {"version", "GEMM"}, {"zero_point", true}}).quantisation;
    CHECK(awq.method == QuantMethod::awq);
    CHECK(awq.group_size == 128);
    CHECK_FALSE(awq.zeros_stored_less_1);

    const Tree nf4{{"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
    CHECK(parse_quantised(nf4).quantisation.method == QuantMethod::nf4); // older ones leave the method out
    Tree named = nf4;
    named["quant_method"] = "bitsandbytes";
    CHECK(parse_quantised(named).quantisation.method == QuantMethod::nf4);
}

TEST_CASE("other ways of quantising are refused with their field") {
    const auto is_refused = [](const std::string& words, const Tree& settings) {
        refuses(STEER_ERR_UNSUPPORTED, words, [&](Tree& j) { j["quantization_config"] = settings; });
    };
    const std::string fix = "use a GPTQ or AWQ checkpoint of 4 bits, a bitsandbytes NF4 one, or one that is not quantised";
    is_refused(R"("quant_method" is 'fp8', only "gptq", "awq" or "bitsandbytes" is supported: )" + fix, {{"quant_method", "fp8"}});
    is_refused(R"("bits" is 8, only 4 is supported: )" + fix, {{"quant_method", "gptq"}, {"bits", 8}});
    is_refused(R"("checkpoint_format" is 'marlin')", {{"quant_method", "gptq"}, {"bits", 4}, {"checkpoint_format", "marlin"}});
    is_refused(R"("dynamic" is not supported)", {{"quant_method", "gptq"}, {"bits", 4}, {"dynamic", {{"-:.*down.*", Tree::object()}}}});
    is_refused(R"("bits" is 3)", {{"quant_method", "awq"}, {"bits", 3}});
    is_refused(R"("version" is 'gemv', only "gemm")", {{"quant_method", "awq"}, {"bits", 4}, {"version", "GEMV"}});
    is_refused(R"("zero_point" is false, only true)", {{"quant_method", "awq"}, {"bits", 4}, {"zero_point", false}});
    is_refused(R"("load_in_8bit" is true, only false)", {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}});
    is_refused(R"("load_in_4bit" is false, only true)", {{"quant_method", "bitsandbytes"}});
    is_refused(R"("bnb_4bit_quant_type" is 'fp4', only 'nf4')", {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}});
}

TEST_CASE("broken words on quantising are refused with their field") {
    const auto is_broken = [](const std::string& words, const Tree& settings) {
        refuses(STEER_ERR_FORMAT, words, [&](Tree& j) { j["quantization_config"] = settings; });
    };
    is_broken("quantization_config", Tree::array({4}));
    is_broken("quant_method", {{"quant_method", 4}});
    is_broken("bits", {{"quant_method", "gptq"}});
    is_broken("bits", {{"quant_method", "gptq"}, {"bits", "4"}});
    is_broken("\"group_size\" of \"quantization_config\" is 0", {{"quant_method", "gptq"}, {"bits", 4}, {"group_size", 0}});
    is_broken("group_size", {{"quant_method", "awq"}, {"bits", 4}, {"group_size", -2}});
    is_broken("desc_act", {{"quant_method", "gptq"}, {"bits", 4}, {"desc_act", "no"}});
    is_broken("zero_point", {{"quant_method", "awq"}, {"bits", 4}, {"zero_point", 1}});
}

TEST_CASE("broken configs are refused with their field") {
    refuses(STEER_ERR_FORMAT, "architectures", [](Tree& j) { j["architectures"] = Tree::array(); });
    refuses(STEER_ERR_FORMAT, "hidden_size", [](Tree& j) { j.erase("hidden_size"); });
    refuses(STEER_ERR_FORMAT, "hidden_size", [](Tree& j) { j["hidden_size"] = -1; });
    refuses(STEER_ERR_FORMAT, "hidden_size", [](Tree& j) { j["hidden_size"] = 1e300; });
    refuses(STEER_ERR_FORMAT, "num_hidden_layers", [](Tree& j) { j["num_hidden_layers"] = 1000000; });
    refuses(STEER_ERR_FORMAT, "num_key_value_heads", [](Tree& j) { j["num_key_value_heads"] = 3; });
    refuses(STEER_ERR_FORMAT, "head_dim", [](Tree& j) { j["head_dim"] = 7; });
    refuses(STEER_ERR_FORMAT, "rope_theta", [](Tree& j) { j["rope_theta"] = 0.0; });
    refuses(STEER_ERR_FORMAT, "tie_word_embeddings", [](Tree& j) { j["tie_word_embeddings"] = "yes"; });
    refuses(STEER_ERR_FORMAT, "rope_scaling", [](Tree& j) { j["rope_scaling"] = 3; });
    CHECK_THROWS_AS(parse_model_config("[1]", "config.json"), Error);
    CHECK_THROWS_AS(parse_model_config("{", "config.json"), Error);
}
