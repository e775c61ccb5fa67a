// Utf8Gate, StopMatcher, Finder: closed-form cases, and every way to cut a text into pieces.
#include "files/error.h"
#include "text/find.h"
#include "text/stop_matcher.h"
#include "text/utf8_gate.h"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace steer;

namespace {

// Calls body with every way to cut text into consecutive pieces.
void for_all_cuts(const std::string& text, const std::function<void(const std::vector<std::string>&)>& body) {
    for (uint32_t mask = 0; mask < (1u << (text.size() - 1)); ++mask) {
        std::vector<std::string> pieces(1);
        for (size_t i = 0; i < text.size(); ++i) {
            pieces.back() += text[i];
            if (i + 1 < text.size() && (mask >> i & 1)) pieces.emplace_back();
        }
        body(pieces);
    }
}

const std::string unknown = "\xEF\xBF\xBD"; // U+FFFD

} // namespace

TEST_CASE("whole characters come out at once, parts wait") {
    Utf8Gate gate;
    CHECK(gate.push("a\xE3\x81") == "a");
    CHECK(gate.held());
    CHECK(gate.push("\x82"
                    "b") == "\xE3\x81\x82"
                            "b");
    CHECK_FALSE(gate.held());
    CHECK(gate.push("\xF0\x9F\x98") == "");
    CHECK(gate.flush() == unknown);
    CHECK(gate.flush() == "");
    CHECK(gate.push("\xF0\x9F") == "");
    gate.reset();
    CHECK_FALSE(gate.held());
    CHECK(gate.push("x") == "x");
}

TEST_CASE("ill-formed bytes become U+FFFD as the WHATWG decoder does, however they are cut") {
    struct Case {
        std::string bytes, text;
    };
    // The first is table 3-8 of the Unicode standard; the others follow from its table 3-7.
    const std::vector<Case> cases = {
        {"a\xF1\x80\x80\xE1\x80\xC2"
         "b\x80"
         "c\x80\xBF"
         "d",
         "a" + unknown + unknown + unknown + "b" + unknown + "c" + unknown + unknown + "d"},
        {"\xED\xA0\x80\xC0\xAF", unknown + unknown + unknown + unknown + unknown},
        {"\xF4\x90\x80\x80z", unknown + unknown + unknown + unknown + "z"},
        {"\xE3\x81\xE3\x81\x82", unknown + "\xE3\x81\x82"},
        {"\xF0\x9F\x98\x80\xF0\x9F", "\xF0\x9F\x98\x80" + unknown},
    };
    for (const Case& c : cases) {
        for_all_cuts(c.bytes, [&](const std::vector<std::string>& pieces) {
            Utf8Gate gate;
            std::string text;
            for (const std::string& piece : pieces) text += gate.push(piece);
            text += gate.flush();
            REQUIRE(text == c.text);
        });
    }
}

TEST_CASE("a stop text never leaks, and nothing waits longer than it must") {
    std::vector<std::string> stops = {"END", "ENTER"};
    StopMatcher matcher(stops);
    CHECK(matcher.push("abcE") == "abc");
    CHECK(matcher.held());
    CHECK(matcher.push("N") == "");
    CHECK(matcher.push("x") == "ENx");
    CHECK(matcher.push("EEN") == "E");
    CHECK(matcher.push("D and more") == "");
    CHECK(matcher.matched());
    CHECK(matcher.push("later") == "");
    CHECK(matcher.flush() == "");
    matcher.reset();
    CHECK(matcher.push("EN") == "");
    CHECK(matcher.flush() == "EN");
    CHECK_FALSE(matcher.matched());
}

TEST_CASE("the first stop text to be complete decides, the longest of several that end together") {
    for_all_cuts("xxabcabd", [&](const std::vector<std::string>& pieces) {
        auto run = [&](std::vector<std::string> stops) {
            StopMatcher matcher(stops);
            std::string text;
            for (const std::string& piece : pieces) text += matcher.push(piece);
            return text + matcher.flush();
        };
        REQUIRE(run({"abd"}) == "xxabc");
        REQUIRE(run({"bc", "abca"}) == "xxa");
        REQUIRE(run({"c", "abc"}) == "xx");
        REQUIRE(run({"abcabe", "zz"}) == "xxabcabd");
        REQUIRE(run({}) == "xxabcabd");
    });
}

TEST_CASE("an empty stop text is refused") {
    std::vector<std::string> stops = {"a", ""};
    CHECK_THROWS_AS(StopMatcher(stops), Error);
}

TEST_CASE("Finder agrees with std::string::find") {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "ab"[(i * i / 7) % 2];
    for (size_t begin = 0; begin < 60; begin += 3) {
        for (size_t size = 1; size < 12; ++size) {
            std::string needle = text.substr(begin, size);
            Finder finder(needle);
            for (size_t from : {size_t{0}, size_t{5}, begin, begin + 1})
                CHECK(finder.find(text, from) == text.find(needle, from));
        }
    }
    CHECK(Finder("abc").find("ab") == std::string::npos);
    CHECK(Finder("").find("ab", 1) == 1);
}
