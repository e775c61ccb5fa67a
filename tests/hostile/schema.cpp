// JSON schemas and their patterns: compiled, then walked by its own masks to a document.
#include "../tree.h"
#include "corpus.h"
#include "files/json.h"
#include "small_tokenizer.h"
#include "text/constraint/constraint.h"

using namespace steer;
using namespace steer::constraint;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

const Tokenizer& tokenizer() { // 256 bytes and a few tokens that reach over borders
    static const auto one = test::small_tokenizer({{"\"", ":"}, {"\"", ","}, {"\"", "}"}, {"[", "["}, {"{", "\""}, {"1", "2"}});
    return *one;
}

std::shared_ptr<Masks> masks() {
    static const auto one = std::make_shared<Masks>(tokenizer(), tokenizer().size());
    return one;
}

void read(std::string_view bytes) { (void)Constraint::json_schema(masks(), bytes); }

bool has(const Bits& bits, int32_t token) { return (bits[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0; }

std::vector<int32_t> allowed(const Document& document, int64_t tokens_left) {
    Bits bits(document.constraint().mask_words());
    document.allow(tokens_left, bits);
    std::vector<int32_t> tokens;
    for (int32_t token = 0; token < tokenizer().size(); ++token)
        if (has(bits, token)) tokens.push_back(token);
    return tokens;
}

// The mask is what the document accepts, token by token.
void check_mask(const Document& document) {
    Bits bits(document.constraint().mask_words());
    document.allow(INT32_MAX, bits);
    for (int32_t token = 0; token < tokenizer().size(); ++token) {
        if (tokenizer().is_control(token) || tokenizer().token_bytes(token).empty()) {
            promise(!has(bits, token), "a token that spells nothing is allowed");
            continue;
        }
        promise(Document(document).accept(tokenizer().token_bytes(token)) == has(bits, token), "mask and document differ");
    }
}

// From token to token as the bytes of the schema choose, with so many left that it can be ended.
void check(std::string_view bytes) {
    const ConstraintPtr constraint = Constraint::json_schema(masks(), bytes);
    Document document(constraint);
    int64_t left = static_cast<int64_t>(constraint->tokens_min()) + 24;
    std::string text;
    if (left > 400) return; // long lists of what must be there
    for (size_t step = 0; document.can_go_on(); ++step) {
        if (step < 4) check_mask(document);
        const std::vector<int32_t> tokens = allowed(document, left);
        if (tokens.empty() && document.complete()) break;
        promise(!tokens.empty(), "nothing may follow, and the document is not complete: " + text);
        const int32_t token = tokens[static_cast<uint8_t>(bytes[step % bytes.size()]) * (step + 1) % tokens.size()];
        promise(document.accept(tokenizer().token_bytes(token)), "a token that is allowed is not accepted: " + text);
        text += tokenizer().token_bytes(token);
        --left;
    }
    promise(document.complete() && left >= 0, "a document that does not end in time: " + text);
    (void)parse_json(text, "written");
}

std::vector<Bad> bad() {
    std::vector<Bad> all;
    const auto add = [&](const char* name, const std::string& schema, steer_status status, const char* words) {
        all.push_back({name, schema, status, words});
    };
    const auto repeat = [](const std::string& unit, int times) {
        std::string out;
        for (int i = 0; i < times; ++i) out += unit;
        return out;
    };
    const auto pattern = [](const std::string& text) { return Tree{{"type", "string"}, {"pattern", text}}.dump(); };
    std::string many = "{\"type\":\"object\",\"properties\":{";
    for (int i = 0; i < 30000; ++i) many += fmt::format("{}\"p{}\":{{\"type\":\"integer\"}}", i ? "," : "", i);
    add("nothing", "", kFormat, "constraint_text");
    add("no JSON", "{", kFormat, "constraint_text");
    add("a list", "[]", kFormat, "#");
    add("a number", "7", kFormat, "#");
    add("no value", "false", kFormat, "#");
    add("100,000 levels", repeat("{\"items\":", 100000), kFormat, "deeper");
    add("an unknown type", R"({"type":"strin"})", kFormat, "#/type");
    add("a type that is a number", R"({"type":7})", kFormat, "#/type");
    add("types that are numbers", R"({"type":[7]})", kFormat, "#/type");
    add("no type of none", R"({"type":[]})", kFormat, "#/type");
    add("an unknown keyword", R"({"not":{}})", kUnsupported, "#/not");
    add("an unknown keyword with a terminal's escape", R"({"\u001b[31m":{}})", kUnsupported, "\\x1b[31m");
    add("a keyword of 1 MiB", "{\"" + std::string(1 << 20, 'k') + "\":{}}", kUnsupported, "kkk...'");
    add("a reference to nowhere", R"({"$ref":"#/$defs/a/b"})", kFormat, "#/$ref");
    add("a reference to a file", R"({"$ref":"file:///etc/passwd"})", kUnsupported, "#/$ref");
    add("a reference to the net", R"({"$ref":"https://example.org/schema"})", kUnsupported, "#/$ref");
    add("a reference to itself", R"({"$ref":"#"})", kFormat, "contains itself without end");
    add("references in a circle", R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})", kFormat,
        "contains itself without end");
    add("properties a list", R"({"properties":[]})", kFormat, "#/properties");
    add("required a text", R"({"required":"a"})", kFormat, "#/required");
    add("a negative length", R"({"type":"string","minLength":-1})", kFormat, "#/minLength");
    add("two lengths of 2^64-1", R"({"type":"array","prefixItems":[{"minLength":18446744073709551615,"type":"string"},)"
                                 R"({"minLength":18446744073709551615,"type":"string"}],"minItems":2})", kFormat, "no document");
    add("least above most", R"({"type":"array","minItems":3,"maxItems":2})", kFormat, "#");
    add("a billion items", R"({"type":"array","minItems":1000000000})", kUnsupported, "too large");
    add("a number between none", R"({"type":"integer","minimum":0.2,"maximum":0.8})", kFormat, "#");
    add("a bound of 1e300", R"({"type":"integer","minimum":1e300})", kUnsupported, "#/minimum");
    add("an empty choice", R"({"enum":[]})", kFormat, "#/enum");
    add("alternatives of none", R"({"anyOf":[]})", kFormat, "#/anyOf");
    add("30,000 properties", many + "}}", kUnsupported, "512 properties");
    add("a pattern that is a number", R"({"type":"string","pattern":7})", kFormat, "#/pattern");
    add("a bracket that is not closed", pattern("(a"), kFormat, "pattern");
    add("a class that is not closed", pattern("[a"), kFormat, "pattern");
    add("nothing repeated", pattern("*a"), kFormat, "pattern");
    add("a repetition backwards", pattern("a{3,2}"), kFormat, "pattern");
    add("a range backwards", pattern("[z-a]"), kFormat, "pattern");
    add("looking ahead", pattern("(?=a)b"), kUnsupported, "pattern");
    add("a reference back", pattern("(a)\\1"), kUnsupported, "pattern");
    add("a billion repetitions", pattern("a{1000000000}"), kUnsupported, "pattern");
    add("repetitions of repetitions", pattern("(((a{100}){100}){100}){100}"), kUnsupported, "pattern");
    add("many ways to fail", pattern("(.*a){12}b.{20}c.*(x|y){30}a.{25}"), kUnsupported, "too large");
    add("100,000 brackets", pattern(repeat("(", 100000)), kUnsupported, "pattern");
    return all;
}

std::vector<Seed> seeds() {
    return {
        {"an object", R"({"type":"object","properties":{"a":{"type":"integer","minimum":-3,"maximum":250},"b":{"enum":["x",1,null]}},)"
                      R"("required":["a"],"additionalProperties":false})", {}},
        {"texts", R"({"type":"array","items":{"anyOf":[{"type":"string","pattern":"^(ab|[c-f0-9]{2,3}x?)+$"},{"type":"boolean"}]},)"
                  R"("minItems":1,"maxItems":3})", {}},
        {"references", R"({"$defs":{"t":{"type":"object","properties":{"v":{"type":"number"},"n":{"$ref":"#/$defs/t"}}}},"$ref":"#/$defs/t"})", {}},
        {"formats", R"({"type":"string","format":"date-time"})", {}},
        {"anything", "{}", {}},
    };
}

} // namespace

Reader schema_reader() {
    Reader reader{"schema", read, check, bad, 30, seeds, {kFormat, kUnsupported}, "constraint"};
    reader.json = true;
    reader.heap_base = 64 << 20; // the automaton of a pattern, whose states and moves are limited
    reader.heap_factor = 64;
    return reader;
}

} // namespace hostile
