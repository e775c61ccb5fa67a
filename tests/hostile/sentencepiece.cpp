// tokenizer.model of sentencepiece, and the files beside it that list added tokens.
#include "edit.h"
#include "small_sentencepiece.h"
#include "small_tokenizer.h"

#include <cmath>

using namespace steer;
using namespace steer::test;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;
constexpr uint32_t kRule = 0x100 ^ 'A', kValue = 0x180; // units of chars_map()

std::unique_ptr<Tokenizer> load_model(std::string_view bytes) {
    return load_sentencepiece_tokenizer({"", bytes, "", "", "", kName});
}
void read(std::string_view bytes) { (void)load_model(bytes); }

SmallModel good() {
    SmallModel model = small_unigram();
    model.pieces.push_back({"ba", 0, UserDefined});
    model.pieces.push_back({"<|x|>", 0, UserDefined});
    return model;
}
SmallModel good_bpe() {
    SmallModel model = good();
    model.model_type = 2;
    model.chars_map = chars_map("ab");
    return model;
}
SmallModel good_bytes() {
    SmallModel model = small_unigram();
    model.pieces.push_back({"bb", -1, Unused});
    model.add_bytes();
    return model;
}

// Plain text becomes no control token; what no piece spells becomes the unknown one, which is listed among them.
void check_text(const Tokenizer& tokenizer, const std::string& text) {
    for (const bool special : {false, true})
        for (const int32_t id : encode(tokenizer, text, special)) {
            promise(id >= 0 && id < tokenizer.size() && !tokenizer.token_bytes(id).empty(), "an id that is none");
            const std::vector<int32_t> unknown = encode(tokenizer, "\xF4\x8F\xBF\xBF");
            promise(special || !tokenizer.is_control(id) || id == unknown.back(), "plain text became a control token");
        }
    const std::string normal = tokenizer.normalise(text, false);
    promise(normal.size() <= 8192 * (text.size() + 1), "a text that grows without end");
}

void check(std::string_view bytes) {
    const auto tokenizer = load_model(bytes);
    promise(tokenizer->size() > 0 && static_cast<size_t>(tokenizer->size()) <= bytes.size(), "an odd size");
    for (int32_t id = 0; id < tokenizer->size(); ++id) {
        const std::string_view token = tokenizer->token_bytes(id);
        promise(!token.empty() && token.size() <= 256, "a token of no bytes, or of too many");
        if (tokenizer->is_special(id)) promise(tokenizer->is_control(id), "special and no control token");
        if (tokenizer->is_control(id)) promise(tokenizer->find_control(token) == id, "a control token not found again");
    }
    for (const char* text : {"", "abc ab  a", "bab<s>a</s><|x|>", "AbA\xE2\x96\x81\xE3\x81\x82\n", "\xFF\x80 <unk>", "  "})
        check_text(*tokenizer, text);
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    check_text(*tokenizer, all + std::string(100, 'a') + all);
    promise(load_model(bytes)->fingerprint() == tokenizer->fingerprint(), "two fingerprints");
}

Bad bad_model(const char* name, SmallModel model, const std::function<void(SmallModel&)>& change, steer_status status,
              const std::string& words) {
    change(model);
    return {name, model.file(), status, words};
}

std::vector<Bad> bad_pieces() {
    const auto add = [](const char* name, const SmallPiece& piece, steer_status status, const std::string& words) {
        return bad_model(name, good(), [&](SmallModel& model) { model.pieces.push_back(piece); }, status, words);
    };
    const auto change = [](const char* name, const std::function<void(SmallModel&)>& edit, steer_status status,
                           const std::string& words) { return bad_model(name, good(), edit, status, words); };
    return {
        add("an empty piece", {"", 0}, kFormat, "piece 10 is empty"),
        add("a piece of 257 bytes", {std::string(257, 'x'), 0}, kUnsupported, "257 bytes, allowed are 256"),
        add("a control piece of 129 bytes", {std::string(129, 'x'), 0, Control}, kUnsupported, "129 bytes"),
        add("a piece that is half a character", {"\xE3\x81", 0}, kFormat, "piece 10 is no UTF-8"),
        add("a score that is no number", {"x", std::nanf("")}, kFormat, "score of piece 10 is not finite"),
        add("a score without end", {"x", INFINITY}, kFormat, "not finite"),
        add("type 0", {"x", 0, 0}, kFormat, "of type 0"),
        add("type 7", {"x", 0, 7}, kFormat, "of type 7"),
        add("type 2^31", {"x", 0, INT32_MIN}, kFormat, "of type"),
        add("a piece twice", {"ab", 0}, kFormat, "'ab' is there twice"),
        bad_model("a piece twice, with a terminal's escape", good(),
                  [](SmallModel& m) { m.pieces.insert(m.pieces.end(), 2, {"\x1b[2J", 0}); }, kFormat, "\\x1b[2J"),
        add("a control piece twice", {"<s>", 0, Control}, kFormat, "'<s>' is there twice"),
        add("a control token twice", {"<s>", 0, UserDefined}, kFormat, "control token '<s>' is there twice"),
        add("a second unknown piece", {"x", 0, Unknown}, kFormat, "2 pieces are of type unknown"),
        add("a byte that is none", {"<0x1>", 0, Byte}, kFormat, "'<0x1>'"),
        add("a byte in small letters", {"<0x0a>", 0, Byte}, kFormat, "'<0x0a>'"),
        add("a byte without byte_fallback", {"<0x01>", 0, Byte}, kFormat, "byte_fallback is false"),
        change("no unknown piece", [](SmallModel& m) { m.pieces[0].type = Normal; }, kFormat, "0 pieces are of type unknown"),
        change("no pieces", [](SmallModel& m) { m.pieces.clear(); }, kFormat, "no pieces"),
        change("byte_fallback without bytes", [](SmallModel& m) { m.byte_fallback = true; }, kFormat, "256 are missing"),
        change("model_type 0", [](SmallModel& m) { m.model_type = 0; }, kUnsupported, "model_type 0"),
        change("words", [](SmallModel& m) { m.model_type = 3; }, kUnsupported, "model_type 3"),
        change("characters", [](SmallModel& m) { m.model_type = 4; }, kUnsupported, "model_type 4"),
        bad_model("a byte missing", good_bytes(), [](SmallModel& m) { m.pieces.pop_back(); }, kFormat, "1 are missing"),
        bad_model("an unused piece in BPE", good_bpe(), [](SmallModel& m) { m.pieces.push_back({"x", 0, Unused}); },
                  kUnsupported, "unused pieces"),
        bad_model("17 MiB of pieces", good(),
                  [](SmallModel& m) {
                      for (int i = 0; i < 17 * 4096; ++i)
                          m.pieces.push_back({fmt::format("{:08}{}", i, std::string(248, 'x')), 0});
                  },
                  kFormat, "pieces have more than"),
    };
}

std::vector<Bad> bad_wire() {
    const std::string file = good().file();
    const auto behind = [&](const char* name, uint32_t field, std::string_view bytes, steer_status status, const char* words) {
        ProtobufWriter more;
        more.add_bytes(field, bytes);
        return Bad{name, file + more.message(), status, words};
    };
    const auto raw = [&](const char* name, const std::string& bytes, const char* words) {
        return Bad{name, bytes, kFormat, words};
    };
    return {
        raw("empty file", "", "no pieces"),
        raw("tiktoken's file of the same name", "IQ== 0\nIg== 1\n", "read as a sentencepiece model"),
        raw("JSON", "{\"model\": {}}", "read as a sentencepiece model"),
        raw("a number of eleven bytes", file + "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "longer than ten bytes"),
        raw("a field of 2^63 bytes", file + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "are left"),
        raw("field 0", file + std::string("\0\0", 2), "number 0"),
        raw("a group", file + "\x0b", "kind 3"),
        raw("pieces that are a number", file + "\x08\x01", "field 1 is of kind 0"),
        raw("rules that are a number", file + "\x1a\x02\x10\x01", "field 2 is of kind 0"),
        behind("a piece whose text is a number", 1, "\x08\x01", kFormat, "field 1 is of kind 0"),
        behind("a piece whose score is a number", 1, "\x0a\x01x\x10\x01", kFormat, "field 2 is of kind 0"),
        behind("a piece whose type is a text", 1, "\x0a\x01x\x1a\x01x", kFormat, "field 3 is of kind 2"),
        behind("a piece that ends early", 1, "\x0a\x05x", kFormat, "are left"),
        behind("a model_type that is a text", 2, "\x1a\x01x", kFormat, "field 3 is of kind 2"),
        behind("spaces behind words", 2, "\xC0\x01\x01", kUnsupported, "treat_whitespace_as_suffix"),
        behind("rules for the way back", 5, "\x12\x01x", kUnsupported, "denormalizer_spec"),
    };
}

std::vector<Bad> bad_rules() {
    const auto with = [](const char* name, const std::function<void(std::string&)>& change, const char* words) {
        return bad_model(name, good_bpe(), [&](SmallModel& model) { change(model.chars_map); }, kFormat, words);
    };
    const auto node = [](uint32_t at, uint32_t children, char label, bool has) {
        return (at ^ children) << 10 | uint32_t{has} << 8 | static_cast<uint8_t>(label);
    };
    const auto unit = [&](const char* name, uint32_t at, uint32_t bits, const char* words) {
        return with(name, [=](std::string& blob) { set_unit(blob, at, bits); }, words);
    };
    const auto size = [&](const char* name, uint32_t bytes) {
        return with(name, [=](std::string& blob) { std::memcpy(blob.data(), &bytes, 4); }, "rules are damaged");
    };
    return {
        unit("rules that begin outside", 0, node(0, 0x200, 0, false), "points outside"),
        unit("a rule whose replacement is outside", kRule, node(kRule, 0x1000, 'A', true), "points outside"),
        unit("a rule whose replacement is none", kRule, node(kRule, 0x100, 'A', true), "replacement lies outside"),
        unit("a rule for AAAA...", kRule, node(kRule, 0x100, 'A', false), "no end"),
        unit("a replacement behind the last", kValue, 1u << 31 | 3, "replacement lies outside"),
        unit("a replacement at 2^31-1", kValue, 0xffffffff, "replacement lies outside"),
        with("a replacement without an end", [](std::string& blob) { blob.back() = 'x'; }, "no UTF-8"),
        with("a replacement that is half a character", [](std::string& blob) { blob[blob.size() - 3] = '\xE3'; }, "no UTF-8"),
        with("a replacement of 513 bytes", [](std::string& blob) { blob = chars_map(std::string(513, 'x')); }, "too long"),
        with("a replacement from within a character",
             [](std::string& blob) { blob = chars_map("\xE3\x81\x82"), set_unit(blob, kValue, 1u << 31 | 1); },
             "inside a character"),
        with("rules of four bytes", [](std::string& blob) { blob.resize(4); }, "too short"),
        with("rules of 9 MiB", [](std::string& blob) { blob.resize(9 << 20); }, "too large"),
        size("a trie of no bytes", 0), size("a trie of 3 bytes", 3), size("a trie larger than the rules", 0x1000),
        size("a trie of 2^32-1 bytes", 0xffffffff),
    };
}

std::vector<Bad> bad() {
    std::vector<Bad> all;
    for (const auto& more : {bad_pieces(), bad_wire(), bad_rules()})
        for (const Bad& one : more)
            all.push_back(one);
    return all;
}

std::vector<Seed> seeds() {
    return {{"unigram", good().file(), {}}, {"bpe", good_bpe().file(), {}, 900}, {"bytes", good_bytes().file(), {}, 900}};
}

// -- the files beside it: tokenizer_config.json has the same entries as the others

void read_added(std::string_view config) {
    const std::string file = good().file();
    (void)load_sentencepiece_tokenizer({"", file, config, "", "", kName});
}
void check_added(std::string_view config) {
    const std::string file = good().file();
    const auto tokenizer = load_sentencepiece_tokenizer({"", file, config, "", "", kName});
    promise(tokenizer->size() >= 10 && tokenizer->size() <= 10 + 65537, "an odd size");
    check_text(*tokenizer, "abc <s>ba<|x|><t>");
    for (int32_t id = 0; id < tokenizer->size(); ++id)
        if (tokenizer->is_control(id)) promise(tokenizer->find_control(tokenizer->token_bytes(id)) == id, "not found again");
}

Tree good_added() {
    return {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}, {"additional_special_tokens", {"<t>", "ba"}},
            {"extra_special_tokens", {{"x", "<|x|>"}}}, {"legacy", false}, {"add_prefix_space", true},
            {"added_tokens_decoder",
             {{"1", {{"content", "<s>"}, {"special", true}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}}},
              {"12", {{"content", "<t>"}, {"special", false}}}}}};
}

std::vector<Bad> bad_added() {
    const auto entry = [](const std::string& key, const Tree& value) {
        return [=](Tree& json) { json["added_tokens_decoder"]["12"][key] = value; };
    };
    const auto at = [](const std::string& id) {
        return [=](Tree& json) { json["added_tokens_decoder"][id] = {{"content", "<y>"}}; };
    };
    const auto set = [](const std::string& key, const Tree& value) { return [=](Tree& json) { json[key] = value; }; };
    return edited(good_added(), {
        {"ids a list", set("added_tokens_decoder", Tree::array()), kFormat, "\"added_tokens_decoder\" must be an object"},
        {"an id in words", at("twelve"), kFormat, "'twelve'"},
        {"an id with a terminal's escape", at("\x1b[2J"), kFormat, "\\x1b[2J"},
        {"id -1", at("-1"), kFormat, "'-1'"},
        {"id 12x", at("12x"), kFormat, "'12x'"},
        {"id 2^31", at("2147483648"), kFormat, "'2147483648'"},
        {"id that leaves 100,000 free", at("100000"), kFormat, "'100000'"},
        {"an entry that is a text", [](Tree& j) { j["added_tokens_decoder"]["12"] = "<t>"; }, kFormat, "added_tokens_decoder: 12"},
        {"no content", [](Tree& j) { j["added_tokens_decoder"]["12"].erase("content"); }, kFormat, "\"content\" is missing"},
        {"content a number", entry("content", 5), kFormat, "\"content\" must be a string"},
        {"content of 129 bytes", entry("content", std::string(129, 'x')), kUnsupported, "129 bytes"},
        {"one content twice", entry("content", "<s>"), kFormat, "'<s>' is there twice"},
        {"stripped on the right", entry("rstrip", true), kUnsupported, "rstrip"},
        {"stripped on the left", entry("lstrip", true), kUnsupported, "lstrip"},
        {"single words", entry("single_word", true), kUnsupported, "single_word"},
        {"special perhaps", entry("special", "yes"), kFormat, "\"special\" must be true or false"},
        {"a prefix perhaps", set("add_prefix_space", "yes"), kFormat, "add_prefix_space"},
        {"legacy perhaps", set("legacy", 1), kFormat, "legacy"},
        {"sampling", set("sp_model_kwargs", {{"enable_sampling", true}}), kUnsupported, "sp_model_kwargs"},
    });
}

std::vector<Bad> all_bad_added() {
    std::vector<Bad> all;
    for (Bad one : no_json(kName + "/tokenizer_config.json")) {
        if (one.words == "JSON object") one.words = "must be an object";
        if (!one.bytes.empty()) all.push_back(one); // an empty file is none
    }
    for (const Bad& one : bad_added()) all.push_back(one);
    return all;
}

} // namespace

Reader sentencepiece_reader() {
    Reader reader{"sentencepiece", read, check, bad, 55, seeds, {kFormat, kUnsupported}, kName + "/tokenizer.model"};
    reader.heap_factor = 64;
    return reader;
}

Reader added_tokens_reader() {
    Reader reader{"added_tokens", read_added, check_added, all_bad_added, 30,
                  [] { return std::vector<Seed>{{"config", good_added().dump(), {}}}; }, {kFormat, kUnsupported}, kName + "/"};
    reader.json = true;
    return reader;
}

} // namespace hostile
