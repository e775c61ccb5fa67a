// Widths and lines. The reference for widths is the Unicode data in utf8proc.
#include <catch2/catch.hpp>
#include <utf8proc.h>

#include "width.h"
#include "wrap.h"

using namespace chat;

namespace {

std::vector<std::string> wrapped(std::string_view text, int columns, int first = 0, int indent = 0) {
    LineWrapper wrapper;
    wrapper.begin(columns, first, indent);
    std::vector<std::string> lines;
    wrapper.add(text, lines);
    lines.push_back(wrapper.open_line());
    return lines;
}

} // namespace

TEST_CASE("the width of every assigned character is that of the Unicode data") {
    // Matters of taste, in which utf8proc differs from the C libraries: spacing marks (it says 0), format characters
    // that are drawn, Hangul vowels and finals (it says 1, though they join the syllable before).
    auto is_taste = [](char32_t c, int category) {
        return category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_CF || (c >= 0x1160 && c < 0x1200);
    };
    auto is_character = [](int category) {
        for (int none : {UTF8PROC_CATEGORY_CN, UTF8PROC_CATEGORY_CO, UTF8PROC_CATEGORY_CS, UTF8PROC_CATEGORY_CC,
                         UTF8PROC_CATEGORY_ZL, UTF8PROC_CATEGORY_ZP}) {
            if (category == none) return false;
        }
        return true;
    };
    int compared = 0;
    std::vector<uint32_t> different;
    for (char32_t c = 0x20; c < 0x110000; ++c) {
        const auto code = static_cast<utf8proc_int32_t>(c);
        const int category = utf8proc_get_property(code)->category;
        if (!is_character(category) || is_taste(c, category)) continue;
        ++compared;
        if (character_width(c) != utf8proc_charwidth(code)) different.push_back(c);
    }
    CHECK(compared > 140000);
    CHECK(different == std::vector<uint32_t>{});
}

TEST_CASE("kana, kanji and emoji take two columns, marks none") {
    CHECK(text_width("abc") == 3);
    CHECK(text_width("あーし") == 6);
    CHECK(text_width("漢字") == 4);
    CHECK(text_width("ｱｲｳ") == 3);  // half-width katakana
    CHECK(text_width("ＡＢ") == 4); // full-width letters
    CHECK(text_width("😀🎀") == 4);
    CHECK(text_width("e\u0301") == 1);  // a combining accent
    CHECK(text_width("か\u3099") == 2); // a combining voiced mark
    CHECK(text_width("한국") == 4);
    CHECK(text_width("\xFF"
                     "a") == 2); // a broken byte is drawn as one replacement character
}

TEST_CASE("text is cut at a whole character") {
    CHECK(fit("あいう", 5) == "あい");
    CHECK(fit("あいう", 6) == "あいう");
    CHECK(fit("aあ", 2) == "a");
    CHECK(fit("e\u0301x", 1) == "e\u0301");
    CHECK(fit("abc", 0).empty());
}

TEST_CASE("what is printed holds no escape codes and no tricks with direction") {
    CHECK(printable("a\x1b[31mb") == "a\uFFFD[31mb");
    CHECK(printable("a\xC2\x9B"
                    "31mb") == "a\uFFFD31mb"); // the 8-bit form of the same
    CHECK(printable("\u202Eabc") == "\uFFFDabc");
    CHECK(printable("a\tb\nc\r") == "a    b\nc\uFFFD");
    CHECK(printable("\xE3\x81") == "\uFFFD\uFFFD");
    CHECK(printable("あ😀") == "あ😀");
}

TEST_CASE("broken UTF-8 is mended, the rest stays") {
    CHECK(valid_text("あ\t\x1b") == "あ\t\x1b");
    CHECK(valid_text("a\xC0\x80") == "a\uFFFD\uFFFD");         // overlong
    CHECK(valid_text("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD"); // a surrogate
    CHECK(valid_text("\xF4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST_CASE("lines are never wider than asked, and nothing is lost") {
    const std::string text =
        "Hello there, あーしはリンネだよ。today it is sunny! 😀😀😀 マジでヤバいっしょ〜 averyverylongwordthatdoesnotfit";
    for (int columns = 8; columns < 60; ++columns) {
        std::string got;
        for (const std::string& line : wrapped(text, columns)) {
            CHECK(text_width(line) <= columns);
            got += line;
        }
        std::string want = text;
        std::erase(want, ' ');
        std::erase(got, ' ');
        CHECK(got == want);
    }
}

TEST_CASE("words stay whole") {
    CHECK(wrapped("one two three", 9) == std::vector<std::string>{"one two ", "three"});
    CHECK(wrapped("one two three", 7) == std::vector<std::string>{"one two", "three"});
    CHECK(wrapped("abcdefghij", 4) == std::vector<std::string>{"abcd", "efgh", "ij"});
}

TEST_CASE("a word that comes in pieces moves to the next line as one") {
    LineWrapper wrapper;
    wrapper.begin(10, 0, 2);
    std::vector<std::string> lines;
    wrapper.add("hello wor", lines);
    CHECK(lines.empty());
    CHECK(wrapper.open_line() == "hello wor");
    wrapper.add("lds", lines);
    CHECK(lines == std::vector<std::string>{"hello "});
    CHECK(wrapper.open_line() == "  worlds");
}

TEST_CASE("a closing mark does not begin a line") {
    CHECK(wrapped("あいう。", 6) == std::vector<std::string>{"あい", "う。"});
    CHECK(wrapped("「あい」", 6) == std::vector<std::string>{"「あ", "い」"});
    CHECK(wrapped("あいうえお", 6) == std::vector<std::string>{"あいう", "えお"});
}

TEST_CASE("the first line leaves room for the speaker, later ones are indented") {
    CHECK(wrapped("あいうえ", 10, 4, 4) == std::vector<std::string>{"あいう", "    え"});
    CHECK(wrapped("a\nb", 10, 4, 2) == std::vector<std::string>{"a", "  b"});
}

TEST_CASE("a narrower window breaks the open line again") {
    LineWrapper wrapper;
    wrapper.begin(20, 0, 0);
    std::vector<std::string> lines;
    wrapper.add("one two three", lines);
    wrapper.set_columns(8, lines);
    CHECK(lines == std::vector<std::string>{"one two "});
    CHECK(wrapper.open_line() == "three");
}
