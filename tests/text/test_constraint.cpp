// What constraints let through, against closed forms. tests/python/test_constraint.py compares with json and
// jsonschema.
#include "files/error.h"
#include "small_tokenizer.h"
#include "text/constraint/constraint.h"

#include <catch2/catch.hpp>

#include <random>

using namespace steer;
using namespace steer::constraint;

namespace {

const Tokenizer& small() { // 256 bytes and a few tokens that reach over borders
    static const auto tokenizer =
        test::small_tokenizer({{"\"", ":"}, {"\"", ","}, {"\"", "}"}, {"[", "["}, {"\"", "\""}, {"{", "\""}});
    return *tokenizer;
}

std::shared_ptr<Masks> small_masks() {
    static const auto masks = std::make_shared<Masks>(small(), small().size());
    return masks;
}

ConstraintPtr schema(const std::string& text) { return Constraint::json_schema(small_masks(), text); }

bool fits(const ConstraintPtr& constraint, std::string_view text) {
    Document document(constraint);
    return document.accept(text) && document.complete();
}

bool begins(const ConstraintPtr& constraint, std::string_view text) { return Document(constraint).accept(text); }

void check_refused(const std::string& text, steer_status status, const std::string& words) {
    INFO(text);
    try {
        schema(text);
        FAIL("not refused");
    } catch (const Error& error) {
        CHECK(error.status() == status);
        CHECK_THAT(error.what(), Catch::Contains(words));
    }
}

std::string repeat(std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; i++) out += text;
    return out;
}

} // namespace

TEST_CASE("integers between bounds are exactly those", "[constraint]") {
    std::mt19937 random(7);
    for (int i = 0; i < 60; i++) {
        const int width = std::array{3, 40, 1500}[i % 3];
        const int a = static_cast<int>(random() % 2400) - 1200,
                  b = a + static_cast<int>(random() % static_cast<unsigned>(width));
        const bool without_a = i % 4 == 1, without_b = i % 5 == 2;
        if (a + without_a > b - without_b) continue;
        const ConstraintPtr range =
            schema(fmt::format(R"({{"type":"integer","{}":{},"{}":{}}})", without_a ? "exclusiveMinimum" : "minimum", a,
                               without_b ? "exclusiveMaximum" : "maximum", b));
        CAPTURE(a, b, without_a, without_b);
        bool exact = true;
        for (int n = -3000; n <= 3000; n++)
            exact = exact && fits(range, std::to_string(n)) == (n >= a + without_a && n <= b - without_b);
        CHECK(exact);
        CHECK_FALSE(fits(range, "-0"));
        CHECK_FALSE(begins(range, "00"));
        CHECK_FALSE(begins(range, std::to_string(b) + "."));
    }
}

TEST_CASE("bounds of integers may be fractions, huge or absent", "[constraint]") {
    const auto least = schema(R"({"type":"integer","minimum":2.5})");
    CHECK_FALSE(fits(least, "2"));
    CHECK(fits(least, "3"));
    CHECK(fits(least, "999999999999999999"));
    CHECK_FALSE(begins(least, "1000000000000000000"));
    const auto most = schema(R"({"type":"integer","maximum":-1e3})");
    CHECK(fits(most, "-1000"));
    CHECK(fits(most, "-999999999999999999"));
    CHECK_FALSE(fits(most, "-999"));
    CHECK(fits(schema(R"({"type":"integer","minimum":-1e300,"maximum":1})"), "-12345"));
    check_refused(R"({"type":"integer","minimum":1e30})", STEER_ERR_UNSUPPORTED, "#/minimum");
    check_refused(R"({"type":"integer","minimum":0.2,"maximum":0.8})", STEER_ERR_FORMAT, "#");
}

TEST_CASE("fractions between bounds are exactly those", "[constraint]") {
    std::mt19937 random(8);
    const auto text = [](int hundredths) {
        const std::string sign = hundredths < 0 ? "-" : "";
        const int magnitude = std::abs(hundredths);
        return fmt::format("{}{}.{:02}", sign, magnitude / 100, magnitude % 100);
    };
    for (int i = 0; i < 40; i++) {
        const int a = static_cast<int>(random() % 2600) - 1300, b = a + 1 + static_cast<int>(random() % 900);
        const bool without = i % 2 == 1;
        const auto range =
            schema(fmt::format(R"({{"type":"number","{0}inimum":{1},"{2}aximum":{3}}})", without ? "exclusiveM" : "m",
                               text(a), without ? "exclusiveM" : "m", text(b)));
        CAPTURE(text(a), text(b), without);
        bool exact = true;
        for (int n = -2500; n <= 2500; n++) {
            const bool inside = without ? n > a && n < b : n >= a && n <= b;
            if (n != 0) exact = exact && fits(range, text(n)) == inside;
            if (n % 10 == 0 && n != 0) exact = exact && fits(range, text(n).substr(0, text(n).size() - 1)) == inside;
            if (n % 100 == 0 && n != 0) exact = exact && fits(range, std::to_string(n / 100)) == inside;
        }
        CHECK(exact);
    }
    // What a double cannot tell from the bound is not written beside an exclusive one.
    const auto below = schema(R"({"type":"number","minimum":0,"exclusiveMaximum":1})");
    CHECK(fits(below, "0.99999999999999"));
    CHECK_FALSE(fits(below, "0.99999999999999999"));
}

TEST_CASE("strings are UTF-8, with JSON's escapes", "[constraint]") {
    const auto any = Constraint::json(small_masks());
    size_t wrong = 0;
    for (uint32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
        std::string bytes;
        const bool surrogate = code >= 0xD800 && code < 0xE000;
        if (surrogate)
            bytes = {static_cast<char>(0xED), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
                     static_cast<char>(0x80 | (code & 0x3F))};
        else
            append_utf8(code, bytes);
        const bool may = !surrogate && code >= 0x20 && code != '"' && code != '\\';
        wrong += fits(any, '"' + bytes + '"') != may;
        if (may) wrong += begins(any, '"' + bytes.substr(0, bytes.size() - 1) + '"') != (bytes.size() == 1);
    }
    CHECK(wrong == 0);
    for (const char* overlong :
         {"\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8", "\x80"})
        CHECK_FALSE(begins(any, std::string("\"") + overlong));
    for (const char* good : {R"("\"\\\/\b\f\n\r\t")", R"("\u0000\uffFF\uD7ff")", R"("\ud83d\uDE00")"})
        CHECK(fits(any, good));
    for (const char* bad : {R"("\a)", R"("\u12g)", R"("\ud83d")", R"("\ud83d\n)", R"("\ude00)", R"("\ud83d\ud83d)"})
        CHECK_FALSE(begins(any, bad));
}

TEST_CASE("characters are counted, not bytes, and an escape is one", "[constraint]") {
    const auto three = schema(R"({"type":"string","minLength":3,"maxLength":3})");
    for (const char* good : {R"("abc")", R"("あいう")", R"("😀é!")", R"("\n\u3042\ud83d\ude00")"})
        CHECK(fits(three, good));
    for (const char* bad : {R"("ab")", R"("あい")", R"("abcd)", R"("\ud83d\ude00\ud83d\ude00\ud83d\ude00\)"})
        CHECK_FALSE(begins(three, bad));
}

TEST_CASE("white space is bounded", "[constraint]") {
    const auto any = Constraint::json(small_masks());
    CHECK(fits(any, "[\n" + repeat(" ", 64) + "1,\r\n\t 2 ]"));
    CHECK_FALSE(begins(any, "[\n" + repeat(" ", 65)));
    for (const char* bad : {"[  1", "[\n\n", " 1", "[1 ,", "{\"a\" :", "\n"}) CHECK_FALSE(begins(any, bad));
}

TEST_CASE("nothing is nested deeper than 64", "[constraint]") {
    const auto any = Constraint::json(small_masks());
    CHECK(fits(any, repeat("[", 64) + repeat("]", 64)));
    CHECK_FALSE(begins(any, repeat("[", 65)));
    CHECK_FALSE(begins(any, repeat("{\"a\":", 64) + "{"));
    // Where an object must follow, the way down ends early enough for it.
    const auto tree = schema(
        R"({"$defs":{"t":{"type":"object","properties":{"leaf":{"type":"array","items":{"type":"array"},"minItems":1},
        "next":{"$ref":"#/$defs/t"}},"required":["leaf"]}},"$ref":"#/$defs/t"})");
    std::string deep;
    Document document(tree);
    while (document.accept(R"({"leaf":[[]],"next":)")) deep += R"({"leaf":[[]],"next":)";
    CHECK(deep.size() == 62 * 20 - 20); // the 62nd has its leaf, two deeper, and no next
    CHECK(document.accept(R"({"leaf":[[]])" + repeat("}", 62)));
    CHECK(document.complete());
    const std::string nested = repeat("[", 62) + repeat("]", 62);
    CHECK(fits(schema(R"({"const":)" + nested + "}"), nested));
}

TEST_CASE("a name comes once, and a declared one only in its place", "[constraint]") {
    const auto any = Constraint::json(small_masks());
    CHECK(fits(any, R"({"a":1,"b":{"a":2},"aa":3,"":4})"));
    CHECK_FALSE(begins(any, R"({"a":1,"b":2,"a")"));
    CHECK_FALSE(begins(any, R"({"":1,"")"));
    CHECK_FALSE(begins(any, R"({"\u0061)")); // one spelling for each name
    CHECK(fits(any, R"({"\n\u0001あ":1})"));
    const auto open = schema(
        R"({"properties":{"a":{"type":"integer"},"b":{"type":"null"}},"additionalProperties":{"type":"boolean"}})");
    CHECK(fits(open, R"({"a":1,"c":true,"ab":false})"));
    CHECK_FALSE(begins(open, R"({"c":true,"a")"));
    CHECK_FALSE(begins(open, R"({"b":null,"a")"));
    Bits bits;
    Document document(any);
    REQUIRE(document.accept(R"({"ab":1,"ab)"));
    document.allow(1000, bits);
    CHECK((bits['"' / 32] >> '"' % 32 & 1) == 0);
    CHECK((bits['c' / 32] >> 'c' % 32 & 1) == 1);
}

TEST_CASE("where tokens are few a document can always be closed", "[constraint]") {
    const auto constraint =
        schema(R"({"type":"object","properties":{"name":{"type":"string","minLength":4},"of":{"type":"array",
        "items":{"$ref":"#"},"minItems":0},"more":{"type":"object","minProperties":2}},"required":["name","more"]})");
    const uint32_t least = constraint->tokens_min();
    std::mt19937 random(9);
    for (int walk = 0; walk < 300; walk++) {
        Document document(constraint);
        int64_t left = least + random() % 40;
        Bits bits;
        for (; left > 0 && !document.complete(); left--) {
            document.allow(left, bits);
            std::vector<uint32_t> tokens;
            for (uint32_t token = 0; token < bits.size() * 32; token++)
                if ((bits[token / 32] >> token % 32 & 1) != 0) tokens.push_back(token);
            REQUIRE(!tokens.empty());
            const uint32_t token = tokens[random() % tokens.size()];
            REQUIRE(document.accept(small().token_bytes(static_cast<int32_t>(token))));
            REQUIRE(document.tokens_to_end() <= left - 1);
        }
        CHECK(document.complete());
    }
    Bits bits;
    Document(constraint).allow(least - 1, bits);
    CHECK(std::all_of(bits.begin(), bits.end(), [](uint32_t word) { return word == 0; }));
}

TEST_CASE("alternatives that begin alike are followed together", "[constraint]") {
    const auto either = schema(
        R"({"anyOf":[{"type":"object","properties":{"a":{"type":"integer"},"b":{"const":1}},"required":["a","b"]},
        {"type":"object","properties":{"a":{"type":"number"},"c":{"const":2}},"required":["a","c"]}]})");
    CHECK(fits(either, R"({"a":5,"b":1})"));
    CHECK(fits(either, R"({"a":5,"c":2})"));
    CHECK(fits(either, R"({"a":5.5,"c":2})"));
    CHECK_FALSE(begins(either, R"({"a":5.5,"b")"));
    CHECK(fits(schema(R"({"enum":[1,12,"1","12",[1],[12]]})"), "12"));
    // Many ways to one place are one.
    std::string defs;
    for (int i = 0; i < 40; i++)
        defs += fmt::format(R"("d{0}":{{"anyOf":[{{"anyOf":[{{"$ref":"#/$defs/d{1}"}},{{"type":"null"}}]}},
            {{"anyOf":[{{"$ref":"#/$defs/d{1}"}},{{"type":"boolean"}}]}}]}},)",
                            i, i + 1);
    CHECK(fits(schema(R"({"$defs":{)" + defs + R"("d40":{"type":"integer"}},"$ref":"#/$defs/d0"})"), "40"));
    // Hundreds of them cost their share and no more.
    std::string names;
    for (int i = 0; i < 500; i++) names += fmt::format("{}\"n{}\":{{\"type\":\"integer\"}}", i == 0 ? "" : ",", i);
    CHECK(fits(schema(R"({"type":"object","properties":{)" + names + "}}"), R"({"n3":1,"n17":2,"n499":3})"));
}

TEST_CASE("patterns are found, anchored or not", "[constraint]") {
    const auto pattern = [](const std::string& text) {
        return schema(R"({"type":"string","pattern":")" + text + "\"}");
    };
    CHECK(fits(pattern("b+c"), R"("abbcd")"));
    CHECK_FALSE(fits(pattern("b+c"), R"("abbd")"));
    CHECK(fits(pattern("^a|b$"), R"("xb")"));
    CHECK_FALSE(fits(pattern("^a|b$"), R"("bx")"));
    CHECK(fits(pattern("^[あ-ん]{2,3}$"), R"("です")"));
    CHECK_FALSE(begins(pattern("^[あ-ん]{2,3}$"), R"("デ)"));
    CHECK(fits(pattern(R"(^\\S+$)"), R"("日本語!")"));
    CHECK_FALSE(begins(pattern(R"(^\\S+$)"), "\"\u3000"));
    CHECK(fits(pattern(R"(^\"\\\\\\n$)"), R"("\"\\\n")"));
    CHECK_FALSE(begins(pattern("^a$"), R"("\u0061)"));
}

TEST_CASE("a copy of a document stays where it is", "[constraint]") {
    const auto constraint = schema(R"({"type":"array","items":{"type":"string","maxLength":9},"maxItems":5})");
    Bits first, again;
    Document document(constraint);
    REQUIRE(document.accept(R"(["abc)"));
    document.allow(1000, first);
    const Document copy = document;
    REQUIRE(document.accept(R"(def","x"])"));
    copy.allow(1000, again);
    CHECK(first == again);
    CHECK(document.complete());
    CHECK_FALSE(copy.complete());
}

TEST_CASE("refusals name the place", "[constraint]") {
    check_refused(R"({"properties":{"a":{"items":{"not":{}}}}})", STEER_ERR_UNSUPPORTED, "#/properties/a/items/not");
    check_refused(R"({"type":"strin"})", STEER_ERR_FORMAT, "#/type");
    check_refused(R"({"$ref":"#/$defs/a/b"})", STEER_ERR_FORMAT, "#/$ref");
    check_refused("[]", STEER_ERR_FORMAT, "#");
    check_refused("{", STEER_ERR_FORMAT, "constraint_text");
}
