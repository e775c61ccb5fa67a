#include <catch2/catch.hpp>

#include "commands.h"
#include "line_editor.h"
#include "width.h"

using namespace chat;

namespace {

struct Typed {
    LineEditor editor;
    std::vector<std::string> lines;
    bool open = true;
    explicit Typed(std::string_view keys) { open = editor.feed(keys, lines); }
    std::string shown() const { return editor.view(60).text; }
};

} // namespace

TEST_CASE("backspace takes a whole character, marks included") {
    CHECK(Typed("あい\x7f").shown() == "あ");
    CHECK(Typed("a😀\x7f").shown() == "a");
    CHECK(Typed("xe\u0301\x7f").shown() == "x");
    CHECK(Typed("\x7f\x7f").shown().empty());
}

TEST_CASE("the cursor stands at the column where the next character comes") {
    CHECK(Typed("あいa").editor.view(60).cursor == 5);
    CHECK(Typed("あい\x1b[D").editor.view(60).cursor == 2);
    CHECK(Typed("あい\x1b[D\x1b[Dx").shown() == "xあい");
    CHECK(Typed("abc\x01z").shown() == "zabc");
    CHECK(Typed("abc\x01\x05z").shown() == "abcz");
}

TEST_CASE("words and lines are deleted") {
    CHECK(Typed("one two\x17").shown() == "one ");
    CHECK(Typed("one two\x15").shown().empty());
    CHECK(Typed("one\x01\x0b").shown().empty());
    CHECK(Typed("abc\x01\x1b[3~").shown() == "bc");
}

TEST_CASE("lines come whole, whatever way the bytes are cut") {
    const std::string keys = "こんにちは 😀\n/help\n";
    for (std::size_t piece = 1; piece < 8; ++piece) {
        LineEditor editor;
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < keys.size(); at += piece)
            editor.feed(std::string_view(keys).substr(at, piece), lines);
        CHECK(lines == std::vector<std::string>{"こんにちは 😀", "/help"});
    }
}

TEST_CASE("the arrow keys bring earlier lines back") {
    Typed typed("one\ntwo\ndra");
    typed.editor.feed("\x1b[A", typed.lines);
    CHECK(typed.shown() == "two");
    typed.editor.feed("\x1b[A\x1b[A", typed.lines);
    CHECK(typed.shown() == "one");
    typed.editor.feed("\x1b[B\x1b[B", typed.lines);
    CHECK(typed.shown() == "dra");
}

TEST_CASE("pasted line breaks stay in the message") {
    Typed typed("\x1b[200~a\nb\x1b[201~\n");
    CHECK(typed.lines == std::vector<std::string>{"a\nb"});
    CHECK(Typed("\x1b[200~a\nb").shown() == "a⏎b");
}

TEST_CASE("Ctrl-D ends only an empty line") {
    CHECK_FALSE(Typed("\x04").open);
    CHECK(Typed("a\x04").open);
    CHECK(Typed("ab\x01\x04").shown() == "b");
}

TEST_CASE("a long line is shown around the cursor") {
    Typed typed(std::string(100, 'a') + "あ");
    const auto view = typed.editor.view(20);
    CHECK(text_width(view.text) <= 20);
    CHECK(view.cursor < 20);
    CHECK(view.text.ends_with("あ"));
}

TEST_CASE("unknown keys and broken bytes leave the line alone") {
    CHECK(Typed("a\x1b[15~b").shown() == "ab");
    CHECK(Typed("a\x1b[1;5Cb").shown() == "ab");
    CHECK(Typed("a\x80\x80"
                "b")
              .shown() == "ab");
    CHECK(Typed("a\x03\x0c"
                "b")
              .shown() == "ab");
}

TEST_CASE("commands are told from messages") {
    CHECK(parse_command("/strength 8 4").kind == CommandKind::strength);
    CHECK(parse_command("/strength 8 4").words == std::vector<std::string>{"8", "4"});
    CHECK(parse_command("/save my chat.json").rest == "my chat.json");
    CHECK(parse_command("/nonsense").kind == CommandKind::unknown);
    CHECK(parse_command("/").kind == CommandKind::unknown);
    for (const char* word : {"exit", "quit", "q", "/exit", "/quit", "/q"}) CHECK(is_quit(word));
    CHECK_FALSE(is_quit("quite"));
    CHECK_FALSE(is_command("a/b"));
    CHECK(trimmed("  a b \r\n") == "a b");
}
