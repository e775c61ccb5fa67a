// sentencepiece on models that can be worked out by hand. tests/python/test_sentencepiece.py compares it in bulk,
// tests/hostile/sentencepiece.cpp breaks it.
#include "small_sentencepiece.h"
#include "small_tokenizer.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace steer::test;

namespace {

using Ids = std::vector<int32_t>;

std::string token(const char* content, bool special) {
    return Tree{{"content", content}, {"special", special}, {"lstrip", false}, {"rstrip", false}}.dump();
}

} // namespace

TEST_CASE("sentencepiece: the best path wins; a space is put before the beginning", "[sentencepiece]") {
    const auto tokenizer = load(small_unigram());
    // "▁ab": ▁a + b = -4.5; ▁ + ab = -6.5; ▁ + a + b = -7
    CHECK(encode(*tokenizer, "ab") == Ids{7, 5});
    CHECK(encode(*tokenizer, "bab") == Ids{3, 5, 6});
    CHECK(spell(*tokenizer, {7, 5}) == " ab");
    CHECK(tokenizer->normalise("ab", true) == " ab");
    CHECK(tokenizer->normalise("ab", false) == "ab");
    CHECK(encode(*tokenizer, "").empty());
    CHECK(tokenizer->size() == 8);

    Ids ids = {2};
    tokenizer->encode("ab", false, ids); // behind something: no space
    CHECK(ids == Ids{2, 6});

    SmallModel without = small_unigram();
    without.dummy_prefix = false;
    CHECK(encode(*load(without), "ab") == Ids{6});
    CHECK(encode(*load(without, R"({"add_prefix_space": true})"), "ab") == Ids{7, 5});
    CHECK(encode(*load(small_unigram(), R"({"add_prefix_space": false})"), "ab") == Ids{6});
}

TEST_CASE("sentencepiece: the highest score merges first", "[sentencepiece]") {
    SmallModel model;
    model.model_type = 2;
    model.dummy_prefix = false;
    model.pieces = {{"<unk>", 0, Unknown}, {"ab", 0}, {"bc", -1}, {"abc", -2}, {"a", -3}, {"b", -4}, {"c", -5}};
    CHECK(encode(*load(model), "abc") == Ids{3});
    CHECK(encode(*load(model), "bcbc") == Ids{2, 2});
    CHECK(encode(*load(model), "cab") == Ids{6, 1});
    CHECK(encode(*load(model), "cxab") == Ids{6, 0, 1});
}

TEST_CASE("sentencepiece: control tokens are read only when asked for, unknown text never becomes one", "[sentencepiece]") {
    const auto tokenizer = load(small_unigram());
    CHECK(encode(*tokenizer, "a<s>ab</s>", true) == Ids{7, 1, 6, 2});
    CHECK(encode(*tokenizer, "<s>ab", true) == Ids{1, 6}); // at its beginning stands a control token
    for (const int32_t id : encode(*tokenizer, "a<s></s>")) CHECK((id != 1 && id != 2));
    CHECK(tokenizer->find_control("</s>") == 2);
    CHECK(tokenizer->is_special(0));
    CHECK(tokenizer->is_control(2));
    CHECK_FALSE(tokenizer->is_control(3));
    CHECK(spell(*tokenizer, {1, 2}) == "<s></s>");

    const auto legacy = load(small_unigram(), R"({"legacy": true})");
    CHECK(encode(*legacy, "<s>ab", true) == Ids{1, 7, 5});

    // A control token of one character: BPE looks single characters up by name.
    SmallModel bpe = small_unigram();
    bpe.model_type = 2;
    bpe.pieces[1].text = "c";
    CHECK(encode(*load(bpe), "ac") == Ids{7, 0});
    CHECK(encode(*load(bpe), "ac", true) == Ids{7, 1});
}

TEST_CASE("sentencepiece: bytes stand in for what is unknown", "[sentencepiece]") {
    SmallModel model = small_unigram();
    CHECK(encode(*load(model), "a\xE3\x81\x82x") == Ids{7, 0}); // neighbours become one
    model.add_bytes();
    const auto tokenizer = load(model);
    CHECK(encode(*tokenizer, "a\xE3\x81\x82") == Ids{7, 8 + 0xE3, 8 + 0x81, 8 + 0x82});
    CHECK(tokenizer->token_bytes(8 + 10) == "\n");
    CHECK(spell(*tokenizer, encode(*tokenizer, "\xE3\x81\x82\n\tb")) == " \xE3\x81\x82\n\tb");
    CHECK(spell(*tokenizer, encode(*tokenizer, "b\xFF\xE3\x81")) == " b\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(spell(*tokenizer, encode(*tokenizer, std::string_view("b\0a", 3))) == std::string_view(" b\0a", 4));
    CHECK(encode(*tokenizer, "<0x0A>").size() == 7);
}

TEST_CASE("sentencepiece: a long text is cut where nothing reaches across", "[sentencepiece]") {
    for (const int type : {1, 2}) {
        SmallModel model = small_unigram();
        model.model_type = type;
        model.add_bytes();
        const auto tokenizer = load(model);
        std::string text;
        Ids expected = encode(*tokenizer, "ab");
        const Ids rest = encode(*tokenizer, "ab ab");
        const Ids word(rest.begin() + static_cast<long>(expected.size()), rest.end());
        text = "ab";
        for (int i = 0; i < 100000; ++i) text += " ab", expected.insert(expected.end(), word.begin(), word.end());
        CHECK(encode(*tokenizer, text) == expected);
    }
}

TEST_CASE("sentencepiece: added tokens from the files beside it", "[sentencepiece]") {
    const SmallModel model = small_unigram();
    const std::string decoder = R"({"eos_token": "<|end|>", "added_tokens_decoder": {"1": )" + token("<|start|>", true) +
                                R"(, "9": )" + token("<|end|>", true) + R"(, "10": )" + token("<think>", false) + "}}";
    const auto tokenizer = load(model, decoder);
    CHECK(tokenizer->size() == 11);
    CHECK(encode(*tokenizer, "<|start|>ab<think><|end|>", true) == Ids{1, 6, 10, 9});
    CHECK(tokenizer->token_bytes(1) == "<|start|>"); // in the place of <s>
    CHECK(tokenizer->find_control("<s>") == -1);
    CHECK(tokenizer->token_bytes(8).empty());
    CHECK(tokenizer->is_special(9));
    CHECK(tokenizer->is_control(10));
    CHECK_FALSE(tokenizer->is_special(10));

    const auto older = load(model, "", R"({"<think>": 8, "<|end|>": 9})",
                            R"({"eos_token": {"content": "<|end|>"}, "additional_special_tokens": ["ab"], "pad_token": "<pad>"})");
    CHECK(older->size() == 10);
    CHECK(older->is_special(9));
    CHECK_FALSE(older->is_special(8));
    CHECK(older->is_special(6)); // a piece of the model that a file calls special
    CHECK(encode(*older, "bab") == Ids{3, 5, 4, 5});
    CHECK(encode(*older, "b<think>ab", true) == Ids{3, 5, 8, 6});
    CHECK(older->find_control("<pad>") == -1); // no file gives it an id
}

TEST_CASE("sentencepiece: user-defined pieces are text unless they look or are listed otherwise", "[sentencepiece]") {
    SmallModel model = small_unigram();
    for (const char* text : {"ba", "<|im_start|>", "<h1>", "[INST]"}) model.pieces.push_back({text, 0, UserDefined});
    const auto tokenizer = load(model, R"({"added_tokens_decoder": {"10": )" + token("<h1>", false) + "}}");
    CHECK(encode(*tokenizer, "aba") == Ids{7, 8});
    CHECK(encode(*tokenizer, "a<h1>") == Ids{7, 10});
    CHECK_FALSE(tokenizer->is_control(10));
    for (const int32_t id : encode(*tokenizer, "a<|im_start|>[INST]")) CHECK(id < 8);
    CHECK(encode(*tokenizer, "a<|im_start|>[INST]", true) == Ids{7, 9, 11});
    CHECK_FALSE(tokenizer->is_special(9));
    const auto told = load(model, R"({"added_tokens_decoder": {"8": )" + token("ba", true) + "}}");
    CHECK(encode(*told, "aba") == Ids{7, 5, 4});
    CHECK(encode(*told, "aba", true) == Ids{7, 8});
}

TEST_CASE("sentencepiece: normalisation rules are followed", "[sentencepiece]") {
    SmallModel model = small_unigram();
    model.chars_map = chars_map("ab");
    const auto tokenizer = load(model);
    CHECK(encode(*tokenizer, "bA") == Ids{3, 5, 6});
    CHECK(tokenizer->normalise("A", false) == "ab");
    model.remove_spaces = true;
    CHECK(load(model)->normalise("  A   b ", true) == " ab b");
    model.chars_map = chars_map("");
    CHECK(load(model)->normalise("aAb", true) == " ab");
}

TEST_CASE("sentencepiece: the fingerprint is over all that makes tokens", "[sentencepiece]") {
    const auto of = [](const SmallModel& model, const std::string& config = "") { return load(model, config)->fingerprint(); };
    const SmallModel plain = small_unigram();
    CHECK(of(plain) == of(plain));
    CHECK(of(plain, R"({"chat_template": "x"})") == of(plain));
    std::vector<SmallModel> others(7, plain);
    others[0].pieces[5].score = -2.25f;
    others[1].pieces[5].text = "B";
    others[2].pieces[5].type = UserDefined;
    others[3].model_type = 2;
    others[4].chars_map = chars_map("ab");
    others[5].remove_spaces = true;
    others[6].dummy_prefix = false;
    for (const SmallModel& other : others) CHECK(of(other) != of(plain));
    CHECK(of(plain, R"({"legacy": true})") != of(plain));
    CHECK(of(plain, R"({"added_tokens_decoder": {"8": )" + token("<x>", true) + "}}") != of(plain));
    CHECK(of(plain, R"({"added_tokens_decoder": {"8": )" + token("<x>", true) + "}}") !=
          of(plain, R"({"added_tokens_decoder": {"8": )" + token("<x>", false) + "}}"));
}
