// sentencepiece on models that can be worked out by hand, and on broken ones. tests/python/test_sentencepiece.py compares it
// in bulk.
#include "files/error.h"
#include "small_sentencepiece.h"
#include "small_tokenizer.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace steer::test;

namespace {

using Ids = std::vector<int32_t>;

struct Refusal {
    steer_status status = STEER_OK;
    std::string words;
};

Refusal refusal(const std::string& file, const std::string& config = "", const std::string& added = "") {
    try {
        load_tokenizer({"", file, config, added, "", "small"});
    } catch (const Error& error) {
        return {error.status(), error.what()};
    }
    return {};
}

void refuses(const SmallModel& model, steer_status status, const char* words) {
    const Refusal refused = refusal(model.file());
    CHECK(refused.status == status);
    CHECK_THAT(refused.words, Catch::Contains(words) && Catch::Contains("small/tokenizer.model"));
}

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

TEST_CASE("sentencepiece: models that would be read wrongly are refused", "[sentencepiece]") {
    const auto refuses_piece = [](const SmallPiece& piece, const char* words) {
        SmallModel model = small_unigram();
        model.pieces.push_back(piece);
        refuses(model, STEER_ERR_FORMAT, words);
    };
    refuses_piece({"", 0}, "has 0 bytes");
    refuses_piece({std::string(513, 'x'), 0}, "has 513 bytes");
    refuses_piece({"\xE3\x81", 0}, "no UTF-8");
    refuses_piece({"x", std::numeric_limits<float>::quiet_NaN()}, "not finite");
    refuses_piece({"x", std::numeric_limits<float>::infinity()}, "not finite");
    refuses_piece({"x", 0, 7}, "type 7");
    refuses_piece({"x", 0, 0}, "type 0");
    refuses_piece({"a", 0}, "there twice");
    refuses_piece({"<0x1>", 0, Byte}, "to spell a byte");
    refuses_piece({"<0x01>", 0, Byte}, "byte_fallback");
    refuses_piece({"x", 0, Unknown}, "2 pieces are of type unknown");

    SmallModel model = small_unigram();
    model.pieces[0].type = Normal;
    refuses(model, STEER_ERR_FORMAT, "0 pieces are of type unknown");
    refuses(SmallModel{}, STEER_ERR_FORMAT, "no pieces");
    model = small_unigram();
    model.byte_fallback = true;
    refuses(model, STEER_ERR_FORMAT, "256 are missing");
    model.add_bytes();
    model.pieces.pop_back();
    refuses(model, STEER_ERR_FORMAT, "1 are missing");
    model = small_unigram();
    model.model_type = 2;
    model.pieces.push_back({"x", 0, Unused});
    refuses(model, STEER_ERR_UNSUPPORTED, "unused pieces");
    model = small_unigram();
    for (const int type : {0, 3, 4, 9}) {
        model.model_type = type;
        refuses(model, STEER_ERR_UNSUPPORTED, "model_type");
    }
    ProtobufWriter suffix, denormalizer;
    suffix.add_bytes(2, "\xC0\x01\x01"); // field 24 of the trainer's
    CHECK_THAT(refusal(small_unigram().file() + suffix.message()).words, Catch::Contains("treat_whitespace_as_suffix"));
    denormalizer.add_bytes(5, "\x12\x01x");
    CHECK(refusal(small_unigram().file() + denormalizer.message()).status == STEER_ERR_UNSUPPORTED);
    CHECK_THAT(refusal("IQ== 0\nIg== 1\n").words, Catch::Contains("read as a sentencepiece model"));
}

TEST_CASE("sentencepiece: files beside it that would be read wrongly are refused", "[sentencepiece]") {
    const std::string file = small_unigram().file();
    const auto status = [&](const std::string& config, const std::string& added = "") {
        return refusal(file, config, added).status;
    };
    CHECK(status(R"({"added_tokens_decoder": {"x": {"content": "<x>"}}})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": {"-1": {"content": "<x>"}}})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": {"8x": {"content": "<x>"}}})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": {"999999999": {"content": "<x>"}}})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": {"8": "<x>"}})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": []})") == STEER_ERR_FORMAT);
    CHECK(status(R"({"added_tokens_decoder": {"8": {"content": "<x>", "rstrip": true}}})") == STEER_ERR_UNSUPPORTED);
    CHECK(status(R"({"sp_model_kwargs": {"enable_sampling": true}})") == STEER_ERR_UNSUPPORTED);
    CHECK(status(R"({"sp_model_kwargs": {}})") == STEER_OK);
    CHECK(status(R"([])") == STEER_ERR_FORMAT);
    CHECK(status("", R"({"<x>": -3})") == STEER_ERR_FORMAT);
    CHECK(status("", R"({"<x>": "8"})") == STEER_ERR_FORMAT);
    CHECK(status("", R"({"<x>": 999999999})") == STEER_ERR_FORMAT);
    CHECK(status("", R"({")" + std::string(600, 'x') + R"(": 8})") == STEER_ERR_UNSUPPORTED);
    CHECK_THAT(refusal(file, "", "{").words, Catch::Contains("small/added_tokens.json"));
}

TEST_CASE("sentencepiece: rules that lead outside of themselves are refused", "[sentencepiece]") {
    const auto with = [](auto&& change) {
        SmallModel model = small_unigram();
        model.chars_map = chars_map("ab");
        change(model.chars_map);
        return model;
    };
    constexpr uint32_t rule = 0x100 ^ 'A', value = 0x180;
    const auto node = [](uint32_t at, uint32_t children, char label, bool has) {
        return (at ^ children) << 10 | uint32_t{has} << 8 | static_cast<uint8_t>(label);
    };
    const auto unit = [&](uint32_t at, uint32_t bits) { return with([=](std::string& blob) { set_unit(blob, at, bits); }); };
    refuses(unit(0, node(0, 0x200, 0, false)), STEER_ERR_FORMAT, "points outside");
    refuses(unit(rule, node(rule, 0x1000, 'A', true)), STEER_ERR_FORMAT, "points outside");
    refuses(unit(rule, node(rule, 0x100, 'A', true)), STEER_ERR_FORMAT, "replacement lies outside"); // is no value
    refuses(unit(rule, node(rule, 0x100, 'A', false)), STEER_ERR_FORMAT, "no end");                  // AAAA...
    refuses(unit(value, 1u << 31 | 3), STEER_ERR_FORMAT, "replacement lies outside");
    refuses(with([](std::string& blob) { blob.back() = 'x'; }), STEER_ERR_FORMAT, "replacements are no UTF-8");
    refuses(with([](std::string& blob) { blob[blob.size() - 3] = '\xE3'; }), STEER_ERR_FORMAT, "replacements are no UTF-8");
    refuses(with([](std::string& blob) { blob = chars_map(std::string(513, 'x')); }), STEER_ERR_FORMAT, "too long");
    refuses(with([](std::string& blob) { blob = chars_map("\xE3\x81\x82"), set_unit(blob, 0x180, 1u << 31 | 1); }),
            STEER_ERR_FORMAT, "inside a character");
    refuses(with([](std::string& blob) { blob.resize(4); }), STEER_ERR_FORMAT, "too short");
    for (const uint32_t size : {0u, 3u, 0x7fcu, 0x1000u, 0xffffffffu}) {
        const auto changed = with([=](std::string& blob) { std::memcpy(blob.data(), &size, 4); });
        CHECK(refusal(changed.file()).status == STEER_ERR_FORMAT);
    }
}

TEST_CASE("sentencepiece: whatever is cut off or changed in a file, it is read or refused", "[sentencepiece]") {
    SmallModel model = small_unigram();
    model.pieces.push_back({"ba", 0, UserDefined});
    model.chars_map = chars_map("ab");
    size_t read = 0, refused = 0;
    const auto look = [&](const std::string& file) {
        try {
            const auto tokenizer = load_tokenizer({"", file, "", "", "", "small"});
            for (const bool special : {false, true}) {
                for (const int32_t id : encode(*tokenizer, "abA  bba<s>\xE3\x81\x82\n", special)) {
                    const bool is_token = id >= 0 && id < tokenizer->size() && !tokenizer->token_bytes(id).empty();
                    if (!is_token) FAIL("id " << id);
                    if (!special && tokenizer->is_control(id) && tokenizer->token_bytes(id) == "<s>") FAIL("control");
                }
            }
            ++read;
        } catch (const Error& error) {
            if (error.status() != STEER_ERR_FORMAT && error.status() != STEER_ERR_UNSUPPORTED) FAIL(error.what());
            ++refused;
        }
    };
    for (const int type : {1, 2}) {
        model.model_type = type;
        const std::string file = model.file();
        for (size_t size = 0; size < file.size(); size += size > 400 ? 7 : 1) look(file.substr(0, size));
        for (size_t at = 0; at < file.size(); ++at) {
            for (const int bit : {0, 3, 7}) {
                std::string changed = file;
                changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
                look(changed);
            }
        }
    }
    CHECK(read > 100);
    CHECK(refused > 100);
}
