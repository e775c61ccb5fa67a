// What any text meets on its way in and out: repair of UTF-8, normalising, tokens, the gate, stop texts.
#include "corpus.h"
#include "small_tokenizer.h"
#include "text/nfc.h"
#include "text/stop_matcher.h"
#include "text/utf8_gate.h"

#include <algorithm>

using namespace steer;
using namespace steer::test;

namespace hostile {
namespace {

const Tokenizer& tokenizer() {
    static const auto one = small_tokenizer({{"a", "b"}, {"ab", "ab"}, {"b", "a"}, {" ", "a"}, {"\xE3", "\x81"}, {"a", "a"}});
    return *one;
}

void read(std::string_view bytes) {
    for (const bool special : {false, true}) {
        std::vector<int32_t> ids;
        tokenizer().encode(bytes, special, ids);
    }
}

// Pieces of the text, their sizes taken from its own bytes.
std::vector<std::string_view> pieces(std::string_view bytes) {
    std::vector<std::string_view> out;
    for (size_t at = 0; at < bytes.size();) {
        const size_t size = std::min<size_t>(bytes.size() - at, static_cast<uint8_t>(bytes[at]) % 7);
        out.push_back(bytes.substr(at, size));
        at += std::max<size_t>(size, 1);
        if (size == 0) out.push_back(bytes.substr(at - 1, 1));
    }
    return out;
}

void check_tokens(std::string_view bytes) {
    const std::vector<int32_t> plain = encode(tokenizer(), bytes), special = encode(tokenizer(), bytes, true);
    promise(spell(tokenizer(), plain) == tokenizer().normalise(bytes, true), "tokens that do not spell the text");
    promise(std::none_of(plain.begin(), plain.end(), [](int32_t id) { return tokenizer().is_control(id); }),
            "plain text became a control token");
    promise(to_nfc(spell(tokenizer(), special)) == tokenizer().normalise(bytes, true), "control tokens that do not spell the text");
    if (special == plain) return;
    ControlMatch match;
    promise(tokenizer().find_next_control(replace_invalid_utf8(bytes), 0, match), "a control token that nobody wrote");
}

void check_utf8(std::string_view bytes) {
    const std::string whole = replace_invalid_utf8(bytes), normal = to_nfc(whole);
    promise(is_valid_utf8(whole) && is_valid_utf8(normal), "repaired and still broken");
    promise(is_valid_utf8(bytes) == (whole == bytes), "a good text repaired");
    promise(to_nfc(normal) == normal, "normal and changed by normalising");
    promise(!is_nfc_quickly(whole) || normal == whole, "said to be normal and changed");
    Utf8Gate gate;
    std::string out;
    for (const std::string_view piece : pieces(bytes)) {
        const std::string text = gate.push(piece);
        promise(is_valid_utf8(text), "half a character came out");
        out += text;
    }
    promise(out + gate.flush() == whole, "the gate says another text");
}

// By the definition: of the stop texts that are complete first the longest, and nothing of it comes out.
std::string until_stop(const std::string& text, const std::vector<std::string>& stops) {
    for (size_t end = 1; end <= text.size(); ++end) {
        size_t longest = 0;
        for (const std::string& stop : stops)
            if (std::string_view(text).substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
        if (longest > 0) return text.substr(0, end - longest);
    }
    return text;
}

void check_stops(std::string_view bytes) {
    if (bytes.size() < 8 || bytes.size() > 2000) return;
    std::vector<std::string> stops;
    for (const size_t size : {1, 2, 4}) stops.emplace_back(bytes.substr(size, size));
    StopMatcher matcher(stops);
    const std::string text(bytes.substr(8));
    std::string out;
    for (const std::string_view piece : pieces(text)) out += matcher.push(piece);
    out += matcher.flush();
    promise(out == until_stop(text, stops), "stop texts found elsewhere");
}

void check(std::string_view bytes) {
    check_tokens(bytes);
    check_utf8(bytes);
    check_stops(bytes);
}

std::vector<Seed> seeds() {
    return {{"words", "Hello world, it's 2024! ab abab\r\n\r\n  x\ty", {}},
            {"controls", "<|im_start|>user\nhi<|im_end|><think>x<|im_<|im_end|>", {}},
            {"scripts", "ギャル\xE3\x81\x8B\xE3\x82\x99 e\xCC\x81\xCC\xA3 한국 \xE1\x84\x80\xE1\x85\xA1 👍🏽 \xD9\x85", {}},
            {"broken", "a\xFF\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80\xE3\x81 \xF0\x9F\x98", {}}};
}

std::vector<Bad> none() { return {}; }

} // namespace

Reader text_reader() {
    Reader reader{"text", read, check, none, 0, seeds, {}, ""};
    reader.heap_factor = 96; // a long word's symbols and candidates, 28 bytes of each byte, while their lists grow
    return reader;
}

} // namespace hostile
