// A megabyte of the same: of each class of characters, through everything that reads text. On a small stack, with memory that
// follows the size.
#include "corpus.h"
#include "heap.h"
#include "small_tokenizer.h"
#include "stack.h"
#include "text/chat.h"
#include "text/stop_matcher.h"
#include "text/utf8_gate.h"

#include <catch2/catch.hpp>

using namespace steer;
using namespace hostile;

namespace {

constexpr size_t kSize = (1 << 20) / kSlower;

struct Run {
    const char* name;
    std::string unit;
};

const std::vector<Run>& runs() {
    static const std::vector<Run> all = {
        {"letters", "a"}, {"letters of two kinds", "ab"}, {"words", "it's a word "}, {"digits", "7"}, {"spaces", " "},
        {"newlines", "\n"}, {"spaces and newlines", " \r\n"}, {"tabs", "\t"}, {"zeros", std::string(1, '\0')},
        {"controls", "\x1b"}, {"punctuation", "!"}, {"apostrophes", "'"}, {"brackets", "("}, {"braces", "{"}, {"quotes", "\""},
        {"backslashes", "\\"}, {"kana", "\xE3\x81\x82"}, {"ideographs", "\xE6\xBC\xA2"}, {"wide spaces", "\xE3\x80\x80"},
        {"accents without a letter", "\xCC\x81"}, {"accents in the wrong order", "\xCC\x81\xCC\xA3"},
        {"letters with an accent", "e\xCC\x81"}, {"voiced kana in two", "\xE3\x81\x8B\xE3\x82\x99"},
        {"Hangul in parts", "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"}, {"Hangul vowels", "\xE1\x85\xA1"},
        {"right to left", "\xD9\x85"}, {"ligatures", "\xEF\xB7\xBA"}, {"emoji with skin", "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD"},
        {"joiners", "\xE2\x80\x8D"}, {"marks of direction", "\xE2\x80\xAE"}, {"private characters", "\xEE\x80\x80"},
        {"unassigned characters", "\xF3\xA0\x82\x80"}, {"the last character", "\xF4\x8F\xBF\xBF"},
        {"bytes that begin nothing", "\x80"}, {"bytes of no text", "\xFF"}, {"characters cut short", "\xE3\x81"},
        {"overlong zeros", "\xC0\x80"}, {"half surrogates", "\xED\xA0\x80"}, {"control tokens", "<|im_end|>"},
        {"almost control tokens", "<|im_end|"}, {"the beginning of one", "<"}, {"tags", "{{ x }}"}, {"blocks", "{% if x %}"},
        {"comments", "{# x #}"}, {"raw tags", "{%"},
    };
    return all;
}

std::string run_of(const std::string& unit) {
    std::string text;
    text.reserve(kSize + unit.size());
    while (text.size() < kSize) text += unit;
    return text;
}

void within(const char* what, size_t size, uint64_t factor, const std::function<void()>& body) {
    INFO(what);
    const HeapPeak peak;
    CHECK_NOTHROW(on_small_stack([&] {
        try {
            body();
        } catch (const Error& error) {
            check_words(error.what());
            promise(error.status() != STEER_ERR_INTERNAL && error.status() != STEER_ERR_MEMORY, error.what());
        }
    }));
    CHECK(peak.bytes() <= (uint64_t{16} << 20) + factor * size);
}

} // namespace

TEST_CASE("a megabyte of one class becomes tokens and text again") {
    const auto tokenizer = test::small_tokenizer({{"a", "a"}, {"aa", "aa"}, {" ", " "}, {"\xE3", "\x81"}, {"a", "b"}});
    for (const Run& run : runs()) {
        const std::string text = run_of(run.unit);
        INFO(run.name);
        within("tokens", text.size(), find_reader("text").heap_factor, [&] {
            for (const bool special : {false, true}) {
                std::vector<int32_t> ids;
                tokenizer->encode(text, special, ids);
                promise(!ids.empty(), "no tokens");
            }
        });
        within("promises", text.size(), 200, [&] { (void)examine(find_reader("text"), text); });
        within("gate and stop texts", text.size(), 16, [&] {
            Utf8Gate gate;
            StopMatcher stops(std::vector<std::string>{run.unit + "x", std::string(64, 'a') + "b", "<|im_end|>."});
            size_t out = 0;
            for (size_t at = 0; at < text.size(); at += 4099)
                out += stops.push(gate.push(std::string_view(text).substr(at, 4099))).size();
            out += stops.push(gate.flush()).size() + stops.flush().size();
            promise(out >= text.size() / 2, "text is lost");
        });
    }
}

TEST_CASE("a megabyte of one class in a chat, in a template and in every file") {
    const ChatTemplate chat = ChatTemplate::parse(
        "{% for m in messages %}<|im_start|>{{ m.role }}{{ m.content | trim }}{{ m.content.split('\\n')[0] }}"
        "{{ m.content.strip('a').replace('aa', 'b')[:9] }}{{ m.content | tojson | length }}{{ 'aab' in m.content }}{% endfor %}",
        "test");
    const auto tokenizer = test::small_tokenizer();
    for (const Run& run : runs()) {
        const std::string text = run_of(run.unit);
        INFO(run.name);
        within("message", text.size(), 200, [&] {
            ChatRequest request;
            request.messages.push_back({"user", text, nullptr});
            (void)encode_chat(*tokenizer, chat, request, {});
        });
        within("template", text.size(), find_reader("template").heap_factor, [&] {
            (void)examine(find_reader("template"), std::string_view(text).substr(0, kSize));
        });
        for (const char* open : {"{{ ", "{{ '", "{% if ", "{{ a."})
            within(open, text.size(), find_reader("template").heap_factor,
                   [&] { (void)examine(find_reader("template"), open + text.substr(0, kSize - 8)); });
        for (const Reader& reader : readers()) {
            if (reader.name == std::string_view("text") || reader.name == std::string_view("api")) continue;
            within(reader.name, text.size(), 200, [&] { (void)examine(reader, text); });
        }
        for (const char* open : {"[", "[\"", "{\"", "{\"a\":"})
            within(open, text.size(), 16, [&] { find_reader("json").read(open + text); });
    }
}
