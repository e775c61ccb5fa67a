// The tokenizer on vocabularies that can be worked out by hand. tests/python/test_tokenizer.py compares it in bulk.
#include "files/error.h"
#include "small_tokenizer.h"
#include "text/nfc.h"
#include "text/pre_tokenizer.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace steer::test;

namespace {

using Ids = std::vector<int32_t>;

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> out;
    for (const char *at = text.data(), *end = at + text.size(); at < end;) {
        const char* next = qwen_word_end(CharTable::get(), at, end);
        out.emplace_back(at, next);
        at = next;
    }
    return out;
}

} // namespace

TEST_CASE("words are cut as Qwen's pattern says") {
    using Words = std::vector<std::string>;
    CHECK(words("Hello world") == Words{"Hello", " world"});
    CHECK(words("I'm you'RE don't'x") == Words{"I", "'m", " you", "'RE", " don", "'t", "'x"});
    CHECK(words("a12 3") == Words{"a", "1", "2", " ", "3"});
    CHECK(words("a   b") == Words{"a", "  ", " b"});
    CHECK(words("a   ") == Words{"a", "   "});
    CHECK(words("a \n\n  b") == Words{"a", " \n\n", " ", " b"});
    CHECK(words("x=1;\ny") == Words{"x", "=", "1", ";\n", "y"});
    CHECK(words("a ...!!\n\nb") == Words{"a", " ...!!\n\n", "b"});
    CHECK(words("\tx\xE3\x80\x80y") == Words{"\tx", "\xE3\x80\x80y"});
    CHECK(words("\xE3\x81\x82\xE3\x83\xBC!") == Words{"\xE3\x81\x82\xE3\x83\xBC", "!"});
    CHECK(words(" 5") == Words{" ", "5"});
    CHECK(words("'\xC5\xBF") == Words{"'\xC5\xBF"}); // the long s is an s where case does not count
}

TEST_CASE("the lowest rank merges first, then the leftmost") {
    auto tokenizer = small_tokenizer({{"b", "c"}, {"a", "b"}, {"a", "a"}, {"aa", "a"}});
    CHECK(encode(*tokenizer, "abc") == Ids{'a', 256});
    CHECK(encode(*tokenizer, "ab") == Ids{257});
    CHECK(encode(*tokenizer, "aaaa") == Ids{258, 258});
    CHECK(encode(*tokenizer, "aaaaa") == Ids{258, 259}); // aa at 0, aa at 2, then aa and a
    CHECK(encode(*tokenizer, "aaa") == Ids{259});
}

TEST_CASE("long words merge as short ones do") {
    auto tokenizer = small_tokenizer({{"a", "a"}, {"aa", "aa"}, {"b", "a"}, {"a", "b"}});
    std::string text;
    Ids expected;
    for (int i = 0; i < 1000; ++i) text += "aaaa", expected.push_back(257);
    CHECK(encode(*tokenizer, text) == expected);
    CHECK(encode(*tokenizer, text + "ab").size() == 1001);
    // by hand: aa first, from the left; of "aaab" aa + ab is left, of "baaa" ba cannot form: its a is taken
    CHECK(encode(*tokenizer, "aaab") == Ids{256, 259});
    std::string many, few = "aaab";
    for (int i = 0; i < 200; ++i) many += few;
    Ids long_ids = encode(*tokenizer, many), short_ids;
    CHECK(spell(*tokenizer, long_ids) == many);
    for (int i = 0; i < 200; ++i) {
        short_ids.push_back(256), short_ids.push_back(259);
    }
    CHECK(long_ids == short_ids);
}

TEST_CASE("control tokens are read only when asked for, the leftmost and longest first") {
    auto tokenizer = small_tokenizer();
    CHECK(encode(*tokenizer, "<|im_start|>a<think>", true) == Ids{im_start, 'a', think});
    CHECK(encode(*tokenizer, "<|im_end|>").size() == 10);
    CHECK(encode(*tokenizer, "<<|im_end|>>", true) == Ids{'<', im_end, '>'});
    CHECK(tokenizer->find_control("<|im_end|>") == im_end);
    CHECK(tokenizer->find_control("<|im_end|>x") == -1);
    CHECK(tokenizer->find_control("") == -1);
    CHECK(tokenizer->is_special(im_end));
    CHECK_FALSE(tokenizer->is_special(think));
    CHECK(tokenizer->is_control(think));
    CHECK_FALSE(tokenizer->is_control('a'));
    CHECK_FALSE(tokenizer->is_control(-1));
    CHECK(tokenizer->size() == 1003);
    CHECK(tokenizer->token_bytes(500).empty());
    CHECK(tokenizer->token_bytes(1 << 30).empty());

    Tree longer = small_tokenizer_json();
    longer["added_tokens"].push_back({{"id", 1003}, {"content", "<think>ing"}});
    longer["added_tokens"].push_back({{"id", 1004}, {"content", "k>i"}});
    auto other = load_bpe_tokenizer(longer.dump(), "small");
    CHECK(encode(*other, "<think>in", true) == Ids{think, 'i', 'n'});
    CHECK(encode(*other, "<think>ing", true) == Ids{1003});
    CHECK(encode(*other, "think>in", true) == Ids{'t', 'h', 'i', 'n', 1004, 'n'});
}

TEST_CASE("text is normalised between control tokens, and broken bytes are replaced") {
    auto tokenizer = small_tokenizer();
    CHECK(spell(*tokenizer, encode(*tokenizer, "e\xCC\x81")) == "\xC3\xA9");
    CHECK(spell(*tokenizer, encode(*tokenizer, "e<think>\xCC\x81", true)) == "e<think>\xCC\x81");
    CHECK(spell(*tokenizer, encode(*tokenizer, "a\xFF\xE3\x81")) == "a\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK(encode(*tokenizer, "").empty());
    CHECK(encode(*tokenizer, std::string_view("\0a", 2)) == Ids{0, 'a'});
    Tree plain = small_tokenizer_json();
    plain["normalizer"] = nullptr;
    CHECK(load_bpe_tokenizer(plain.dump(), "small")->normalise("e\xCC\x81", true) == "e\xCC\x81");
}

TEST_CASE("NFC: examples of UAX 15 and Hangul") {
    struct Case {
        std::string text, normal;
    };
    const std::vector<Case> cases = {
        {"\xE2\x84\xAB", "\xC3\x85"},                             // Angstrom sign: A with ring
        {"\xE1\xB8\x8B\xCC\xA3", "\xE1\xB8\x8D\xCC\x87"},         // d dot above + dot below: d dot below + dot above
        {"s\xCC\xA3\xCC\x87", "\xE1\xB9\xA9"},                    // s + dot below + dot above
        {"s\xCC\x87\xCC\xA3", "\xE1\xB9\xA9"},                    // the other way round
        {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"}, // Hangul L + V + T
        {"\xEA\xB0\x80\xE1\x86\xA8", "\xEA\xB0\x81"},             // LV + T
        {"\xEF\xAC\x81", "\xEF\xAC\x81"},                         // the fi ligature stays
        {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"},             // a composition exclusion comes apart
        {"\xE3\x81\x8B\xE3\x82\x99x", "\xE3\x81\x8Cx"},           // ka + voiced mark
        {"plain", "plain"},
    };
    for (const Case& c : cases) CHECK(to_nfc(c.text) == c.normal);
    CHECK(is_nfc_quickly("plain \xE3\x81\x8C \xC3\xA9"));
    CHECK_FALSE(is_nfc_quickly("e\xCC\x81"));
}

TEST_CASE("the fingerprint follows tokens, flags and merges, not the spelling of the file") {
    auto print = [](const Tree& json, int indent = -1) {
        return load_bpe_tokenizer(json.dump(indent), "small")->fingerprint();
    };
    Tree base = small_tokenizer_json({{"a", "b"}, {"b", "c"}});
    CHECK(print(base) == print(base, 2));
    Tree as_text = base;
    as_text["model"]["merges"] = {"a b", "b c"};
    CHECK(print(base) == print(as_text));
    Tree flag = base, order = base, token = base;
    flag["added_tokens"][2]["special"] = true;
    order["model"]["merges"] = {"b c", "a b"};
    token["added_tokens"][2]["content"] = "<thinK>";
    CHECK(print(base) != print(flag));
    CHECK(print(base) != print(order));
    CHECK(print(base) != print(token));
}
