#include "edit.h"
#include "small_tokenizer.h"

#include <algorithm>

using namespace steer;
using namespace steer::test;

namespace hostile {
namespace {

constexpr steer_status kFormat = STEER_ERR_FORMAT, kUnsupported = STEER_ERR_UNSUPPORTED;

Tree good() { return small_tokenizer_json({{"a", "b"}, {"ab", "c"}, {" ", "a"}}); }

void read(std::string_view bytes) { (void)load_bpe_tokenizer(bytes, kName); }

// Plain text spells itself and never becomes a control token, whatever the file says.
void check_text(const Tokenizer& tokenizer, const std::string& text) {
    const std::vector<int32_t> ids = encode(tokenizer, text);
    for (const int32_t id : ids) {
        promise(id >= 0 && id < tokenizer.size(), "an id outside the vocabulary");
        promise(!tokenizer.is_control(id), "plain text became a control token");
    }
    promise(spell(tokenizer, ids) == tokenizer.normalise(text, true), "tokens that do not spell the text");
    for (const int32_t id : encode(tokenizer, text, true))
        promise(id >= 0 && id < tokenizer.size(), "an id outside the vocabulary");
}

void check(std::string_view bytes) {
    const auto tokenizer = load_bpe_tokenizer(bytes, kName);
    promise(tokenizer->size() > 0 && tokenizer->size() <= 65536 + static_cast<int64_t>(bytes.size()), "an odd size");
    for (int32_t id = 0; id < tokenizer->size(); ++id) {
        const std::string_view token = tokenizer->token_bytes(id);
        promise(token.size() <= 4096, "a token of more than 4096 bytes");
        if (tokenizer->is_special(id)) promise(tokenizer->is_control(id), "special and no control token");
        if (tokenizer->is_control(id)) promise(tokenizer->find_control(token) == id, "a control token not found again");
    }
    promise(tokenizer->token_bytes(-1).empty() && tokenizer->token_bytes(tokenizer->size()).empty(), "tokens outside");
    for (const char* text : {"", "abc ab a", "<|im_start|>user\nabc<|im_end|>", "e\xCC\x81 \xE3\x81\x82", "\xFF\x80<think>"})
        check_text(*tokenizer, text);
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    check_text(*tokenizer, all + std::string(100, 'a') + all);
    promise(load_bpe_tokenizer(bytes, kName)->fingerprint() == tokenizer->fingerprint(), "two fingerprints");
}

std::function<void(Tree&)> model(const std::string& key, const Tree& value) {
    return [=](Tree& json) { json["model"][key] = value; };
}
std::function<void(Tree&)> token(const std::string& key, const Tree& value) {
    return [=](Tree& json) { json["added_tokens"][0][key] = value; };
}
std::function<void(Tree&)> word(const std::string& text, const Tree& id) {
    return [=](Tree& json) { json["model"]["vocab"][text] = id; };
}
std::function<void(Tree&)> merge(const Tree& value) {
    return [=](Tree& json) { json["model"]["merges"][1] = value; };
}

std::vector<Bad> bad_pipelines() {
    const auto step = [](size_t i, const std::string& key, const Tree& value) {
        return [=](Tree& json) { json["pre_tokenizer"]["pretokenizers"][i][key] = value; };
    };
    const auto drop = [](const std::string& key) { return [=](Tree& json) { json.erase(key); }; };
    const auto normalizer = [](const Tree& value) { return [=](Tree& json) { json["normalizer"] = value; }; };
    const auto pre = [](const Tree& value) { return [=](Tree& json) { json["pre_tokenizer"] = value; }; };
    return edited(good(), {
        {"another normalizer", normalizer({{"type", "NFKC"}}), kUnsupported, "normalizer"},
        {"normalizer with a terminal's escape", normalizer({{"type", "\x1b[31m\xC2\x9B"}}), kUnsupported, "normalizer"},
        {"normalizer of 1 MiB", normalizer({{"type", std::string(1 << 20, 'n')}}), kUnsupported, "normalizer"},
        {"normalizer without a type", normalizer(Tree::object()), kFormat, "\"type\" is missing"},
        {"normalizer a string", normalizer("NFC"), kFormat, "an object with \"type\""},
        {"no pre_tokenizer", pre(nullptr), kFormat, "\"pre_tokenizer\" must be an object"},
        {"pre_tokenizer missing", drop("pre_tokenizer"), kFormat, "\"pre_tokenizer\" is missing"},
        {"another pre_tokenizer", pre({{"type", "Whitespace"}}), kUnsupported, "pre_tokenizer"},
        {"steps that are numbers", pre({{"type", "Sequence"}, {"pretokenizers", {1, 2}}}), kFormat, "an object with"},
        {"no steps", pre({{"type", "Sequence"}, {"pretokenizers", Tree::array()}}), kUnsupported, "pre_tokenizer"},
        {"steps an object", pre({{"type", "Sequence"}, {"pretokenizers", Tree::object()}}), kFormat, "must be an array"},
        {"another pattern", step(0, "pattern", {{"Regex", "\\p{N}{1,3}"}}), kUnsupported, "pattern"},
        {"a pattern of 100,000 brackets", step(0, "pattern", {{"Regex", std::string(100000, '(')}}), kUnsupported, "pattern"},
        {"a pattern that is a text", step(0, "pattern", {{"String", " "}}), kUnsupported, "pattern"},
        {"a pattern that is a number", step(0, "pattern", 5), kFormat, "pattern"},
        {"split that removes", step(0, "behavior", "Removed"), kUnsupported, "Split"},
        {"split inverted", step(0, "invert", true), kUnsupported, "Split"},
        {"a space in front", step(1, "add_prefix_space", true), kUnsupported, "ByteLevel"},
        {"a second pattern", step(1, "use_regex", true), kUnsupported, "ByteLevel"},
        {"no model", drop("model"), kFormat, "\"model\" is missing"},
        {"another model", model("type", "Unigram"), kUnsupported, "model"},
        {"model type a number", model("type", 1), kFormat, "\"type\" must be a string"},
        {"dropout", model("dropout", 0.1), kUnsupported, "model.dropout"},
        {"byte fallback", model("byte_fallback", true), kUnsupported, "model.byte_fallback"},
        {"merges ignored", model("ignore_merges", true), kUnsupported, "model.ignore_merges"},
        {"a prefix", model("continuing_subword_prefix", "##"), kUnsupported, "continuing_subword_prefix"},
    });
}

std::vector<Bad> bad_words() {
    Tree merges = Tree::array();
    for (int i = 0; i < 1050000; ++i) merges.push_back("aaaa aaaa");
    return edited(good(), {
        {"no vocabulary", [](Tree& j) { j["model"].erase("vocab"); }, kFormat, "\"vocab\" is missing"},
        {"vocabulary a list", model("vocab", Tree::array()), kFormat, "\"vocab\" must be an object"},
        {"vocabulary empty", model("vocab", Tree::object()), kFormat, "is not in vocab"},
        {"a byte missing", [](Tree& j) { j["model"]["vocab"].erase("!"); }, kFormat, "'!' is not in vocab"},
        {"id -1", word("a", -1), kFormat, "'a'"},
        {"id 2^30", word("a", 1 << 30), kFormat, "'a'"},
        {"id 2^31", word("a", 2147483648u), kFormat, "'a'"},
        {"id 2^64-1", word("a", UINT64_MAX), kFormat, "'a'"},
        {"id that leaves 100,000 free", word("x1", 100000), kFormat, "'x1'"},
        {"id 1.0", word("a", 1.0), kFormat, "'a'"},
        {"id in words", word("a", "1"), kFormat, "'a'"},
        {"id null", word("a", nullptr), kFormat, "'a'"},
        {"id twice", word("a", 'b'), kFormat, "given twice"},
        {"a word with a terminal's escape", word("\x1b[31m", -1), kFormat, "\\x1b[31m"},
        {"a word of 1 MiB with a bad id", word(std::string(1 << 20, 'w'), -1), kFormat, "www...'"},
        {"a word of 5,000 bytes", word(std::string(5000, 'w'), 900), kUnsupported, "4096"},
        {"no merges", [](Tree& j) { j["model"].erase("merges"); }, kFormat, "\"merges\" is missing"},
        {"merges an object", model("merges", Tree::object()), kFormat, "\"merges\" must be an array"},
        {"a merge of one", merge("ab"), kFormat, "merges[1]"},
        {"a merge of three", merge("a b c"), kFormat, "merges[1]"},
        {"a merge of one in a list", merge(Tree::array({"a"})), kFormat, "merges[1]"},
        {"a merge of numbers", merge(Tree::array({1, 2})), kFormat, "merges[1]"},
        {"a merge that is null", merge(nullptr), kFormat, "merges[1]"},
        {"a merge of strangers", merge(Tree::array({"a", "zzz"})), kFormat, "'zzz' is not in vocab"},
        {"a merge to a stranger", merge("c d"), kFormat, "'cd' is not in vocab"},
        {"a merge of nothing", merge(" "), kFormat, "merges[1]"},
        {"a merge with nothing", merge(Tree::array({"a", ""})), kFormat, "merges[1]"},
        {"a merge with a terminal's escape", merge(Tree::array({"\x1b[31m", "a"})), kFormat, "\\x1b[31m"},
        {"a merge twice", merge("a b"), kFormat, "stands twice"},
        {"1,050,000 merges", model("merges", merges), kFormat, "merges, at most"},
    });
}

std::vector<Bad> bad_added() {
    return edited(good(), {
        {"added tokens an object", [](Tree& j) { j["added_tokens"] = Tree::object(); }, kFormat, "must be an array"},
        {"added token a string", [](Tree& j) { j["added_tokens"][0] = "<x>"; }, kFormat, "added_tokens[0]"},
        {"no id", [](Tree& j) { j["added_tokens"][0].erase("id"); }, kFormat, "added_tokens[0]: \"id\" is missing"},
        {"added id -5", token("id", -5), kFormat, "added_tokens[0]: \"id\" is -5"},
        {"added id 2^30", token("id", 1 << 30), kFormat, "added_tokens[0]: \"id\""},
        {"added id 2^64-1", token("id", UINT64_MAX), kFormat, "added_tokens[0]: \"id\""},
        {"added id of a byte", token("id", 'A'), kFormat, "added_tokens[0]: id 65"},
        {"added id of a merge", token("id", 256), kFormat, "added_tokens[0]: id 256"},
        {"added id of another", token("id", im_end), kFormat, "id 1001"},
        {"a byte as control token", [](Tree& j) { j["added_tokens"][0]["id"] = 'A', j["added_tokens"][0]["content"] = "A"; },
         kUnsupported, "plain text"},
        {"a merge as control token",
         [](Tree& j) { j["added_tokens"][0]["id"] = 256, j["added_tokens"][0]["content"] = "ab"; }, kUnsupported,
         "plain text"},
        {"one content twice", token("content", "<|im_end|>"), kFormat, "stands twice"},
        {"no content", [](Tree& j) { j["added_tokens"][0].erase("content"); }, kFormat, "\"content\" is missing"},
        {"content a list", token("content", {"<x>"}), kFormat, "\"content\" must be a string"},
        {"content of 129 bytes", token("content", std::string(129, 'x')), kUnsupported, "129 bytes"},
        {"stripped on the right", token("rstrip", true), kUnsupported, "rstrip"},
        {"stripped on the left", token("lstrip", true), kUnsupported, "lstrip"},
        {"single words", token("single_word", true), kUnsupported, "single_word"},
        {"normalised and not ASCII",
         [](Tree& j) { j["added_tokens"][0]["content"] = "\xC3\xA9", j["added_tokens"][0]["normalized"] = true; },
         kUnsupported, "normalized"},
        {"special perhaps", token("special", "yes"), kFormat, "\"special\" must be true or false"},
    });
}

std::vector<Bad> bad() {
    std::vector<Bad> all;
    for (Bad& one : no_json(kName)) {
        if (one.words == "JSON object") one.words = "was expected"; // an object with "model"
        all.push_back(one);
    }
    for (auto more : {bad_pipelines(), bad_words(), bad_added()}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::vector<Seed> seeds() {
    Tree older = good();
    older["model"]["merges"] = {"a b", "ab c", "\xC4\xA0 a"};
    older["normalizer"] = nullptr;
    older.erase("added_tokens");
    return {{"newer", good().dump(), {}, 0}, {"older", older.dump(), {}, 0}};
}

} // namespace

Reader tokenizer_reader() {
    Reader reader{"tokenizer_json", read, check, bad, 80, seeds, {kFormat, kUnsupported}, kName + ": "};
    reader.heap_factor = 24;
    reader.json = true;
    return reader;
}

} // namespace hostile
