#include "files/json.h"

#include "../tree.h"
#include "corpus.h"

using namespace steer;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT;

void read(std::string_view bytes) { (void)parse_json(bytes, kName); }

size_t depth(const Json& json) {
    size_t deepest = 0;
    for (const Json& item : json) deepest = std::max(deepest, depth(item));
    if (json.is_object())
        for (const auto& [key, value] : json.items()) deepest = std::max(deepest, depth(value));
    return json.is_array() || json.is_object() ? deepest + 1 : 0;
}

// The same value to another reader; compared as text, for -0 is a whole number here and 0 there.
void check_reference(const Json& json, std::string_view bytes) {
    const Tree tree = Tree::parse(bytes, nullptr, false);
    promise(!tree.is_discarded(), "accepted, and refused by the reference");
    promise(parse_json(tree.dump(), kName).dump() == json.dump(), "another value than the reference reads");
}

void check(std::string_view bytes) {
    const Json json = parse_json(bytes, kName);
    if (bytes.size() < 65536) check_reference(json, bytes);
    promise(depth(json) <= 64, "nested deeper than allowed");
    const std::string text = json.dump();
    promise(parse_json(text, kName) == json, "a value changed by writing it: " + text.substr(0, 200));
}

std::vector<Bad> bad() {
    std::vector<Bad> all;
    const auto add = [&](const std::string& name, const std::string& bytes, const std::string& words) {
        all.push_back({name, bytes, kFormat, words});
    };
    for (const char* text : {"", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "{a:1}", "[1 2]", "nul", "True", "01", "-01", "+1",
                             ".5", "1.", "1e", "0x10", "- 1", "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "\"\\x\"",
                             "\"\n\"", "\"\t\"", "\"a", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
                             "// c\n1", "/* c */ 1", "{} {}", "1 2", "[", "]", "{\"a\"}", "{\"a\":}", "{1:2}", "[,]", ","})
        add(std::string("not JSON: ") + text, text, "near byte");
    for (const char* text : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE3\x81", "\x80"})
        add("broken UTF-8", std::string("\"") + text + "\"", "not valid JSON near byte");
    add("a zero byte", std::string("[1\0]", 4), "not valid JSON near byte 3");
    add("a zero byte behind the end", std::string("{}\0", 3), "a zero byte");
    add("something behind a zero byte", std::string("{}\0{\"a\":1}", 10), "not valid JSON near byte 3: a zero byte");
    add("a byte order mark cut short", "\xEF\xBB{}", "not valid JSON");
    add("65 levels", std::string(65, '[') + std::string(65, ']'), "nested deeper than 64 levels");
    add("a million levels", std::string(1000000, '['), "nested deeper than 64 levels");
    add("a million levels of objects", [] {
        std::string text;
        for (int i = 0; i < 100000; ++i) text += "{\"a\":";
        return text;
    }(), "nested deeper than 64 levels");
    add("a key twice", "{\"key\": 1, \"key\": 2}", "near byte 20: key 'key' comes twice");
    add("an empty key twice", "{\"\":1,\"\":2}", "key '' comes twice");
    add("a key twice, once escaped", "{\"a\":1,\"\\u0061\":2}", "key 'a' comes twice");
    add("a key twice, with a terminal's escape", "{\"\\u001b[31m\":1,\"\\u001b[31m\":2}", "key '\\x1b[31m' comes twice");
    std::string many = "{\"k\":0", long_key = "\"" + std::string(1 << 20, 'k') + "\":0";
    for (int i = 0; i < 100; ++i) many += fmt::format(",\"k{}\":0", i);
    add("a key twice among many", many + ",\"k50\":1}", "key 'k50' comes twice");
    add("a key of 1 MiB twice", "{" + long_key + "," + long_key + "}", "kkk...' comes twice");
    std::string lists = "[", numbers = "[";
    for (int i = 0; i < 3000000; ++i) lists += i ? ",[]" : "[]";
    for (int i = 0; i < 9000000; ++i) numbers += i ? ",1" : "1";
    add("3 million empty lists", lists + "]", "would take more than");
    add("9 million numbers", numbers + "]", "near byte");
    return all;
}

std::vector<Seed> seeds() {
    return {{"values", "{\"z\": [1, -2, 2.5e-3, \"a\\u3042\\n\", true, null], \"a\": {\"b\": {}, \"c\": []}}", {}},
            {"numbers", "[0, -0, 0.0, 18446744073709551615, -9223372036854775808, 1e308, 5e-324, 0.1]", {}},
            {"texts", "[\"\", \"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\ud83d\\ude00\", \"\xE3\x82\xAE\xE3\x83\xA3\xE3\x83\xAB\"]", {}},
            {"nested", std::string(64, '[') + std::string(64, ']'), {}}};
}

} // namespace

Reader json_reader() {
    Reader reader{"json", read, check, bad, 60, seeds, {kFormat}, kName + ": "};
    reader.json = true;
    reader.heap_factor = 16;
    return reader;
}

} // namespace hostile
