// tokenizer.json out of tokenizer.ggml.*: Qwen's byte-level BPE, in the same alphabet of printable characters.
#include "files/error.h"
#include "files/quote.h"
#include "files/utf8.h"
#include "model/gguf_parts.h"

#include <algorithm>
#include <unordered_map>

namespace steer {
namespace {

constexpr uint64_t kCountMax = 1 << 20, kTokenMax = 4096, kMergeMax = 2 * kTokenMax + 1; // items; bytes
constexpr size_t kTextMax = 32u << 20;                                                   // as for a tokenizer.json

enum : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 }; // of tokenizer.ggml.token_type

// What stands before and behind added tokens, vocabulary and merges. The pattern is Qwen's, as text/pre_tokenizer.h knows
// it; it would refuse another.
constexpr const char* kMiddle = R"json(],
 "normalizer": {"type": "NFC"},
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
  {"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false},
  {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
 "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
 "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
  "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
  "vocab": {)json";

class Writer {
  public:
    Writer(const GgufFile& file, int64_t vocab_size) : file_(file), vocab_size_(vocab_size) {}

    GgufTokenizer write() {
        check_kind();
        read_tokens();
        const std::vector<int32_t> types = read_types();
        std::string text = "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [";
        add_added(types, text);
        text += kMiddle;
        add_vocabulary(types, text);
        text += "},\n  \"merges\": [";
        add_merges(text);
        text += "]}}";
        return {std::move(text), config(), end_tokens()};
    }

  private:
    void check_kind() const {
        const auto model = gguf_text(file_, "tokenizer.ggml.model"), pre = gguf_text(file_, "tokenizer.ggml.pre");
        if (!model) gguf_missing(file_, "tokenizer.ggml.model");
        if (*model != "gpt2")
            fail(STEER_ERR_UNSUPPORTED, "{}: tokenizer.ggml.model is {}; \"gpt2\" is supported", file_.name(), quote(*model));
        if (!pre) gguf_missing(file_, "tokenizer.ggml.pre");
        if (*pre != "qwen2")
            fail(STEER_ERR_UNSUPPORTED, "{}: tokenizer.ggml.pre is {}; \"qwen2\" is supported", file_.name(), quote(*pre));
        for (const char* key : {"tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"})
            if (gguf_flag(file_, key)) fail(STEER_ERR_UNSUPPORTED, "{}: {} is true, which is not supported", file_.name(), key);
    }

    void read_tokens() {
        const std::string key = "tokenizer.ggml.tokens";
        const GgufValue& array = gguf_array(file_, key, GgufType::text, kCountMax);
        size_t bytes = 0;
        file_.read_texts(key, array, kTokenMax, [&](uint64_t index, std::string_view text) {
            check_text(key, index, text);
            bytes += text.size() + 16; // what stands around it
            if (bytes > kTextMax) too_large();
            tokens_.emplace_back(text);
        });
        ids_.reserve(tokens_.size());
        for (size_t id = 0; id < tokens_.size(); ++id)
            if (!ids_.emplace(tokens_[id], id).second)
                fail(STEER_ERR_FORMAT, "{}: {}: {} stands twice", file_.name(), key, quote(tokens_[id]));
    }

    std::vector<int32_t> read_types() const {
        const std::string key = "tokenizer.ggml.token_type";
        const GgufValue& array = gguf_array(file_, key, GgufType::i32, kCountMax);
        if (array.count != tokens_.size())
            fail(STEER_ERR_FORMAT, "{}: {} has {} items, tokenizer.ggml.tokens has {}", file_.name(), key, array.count,
                 tokens_.size());
        std::vector<int32_t> types = file_.read_i32(array);
        for (size_t id = 0; id < types.size(); ++id) {
            // Rows that no token uses; converters of old called them user defined.
            if (types[id] == kUserDefined && tokens_[id] == fmt::format("[PAD{}]", id)) types[id] = kUnused;
            const int32_t type = types[id];
            if (type != kNormal && type != kControl && type != kUserDefined && type != kUnused)
                fail(STEER_ERR_UNSUPPORTED, "{}: {}[{}] is {}; 1, 3, 4 and 5 are supported", file_.name(), key, id, type);
        }
        return types;
    }

    void add_added(const std::vector<int32_t>& types, std::string& text) const {
        bool first = true;
        for (size_t id = 0; id < tokens_.size(); ++id) {
            if (types[id] != kControl && types[id] != kUserDefined) continue;
            text += fmt::format("{}\n {{\"id\": {}, \"content\": {}, \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                                "\"normalized\": false, \"special\": {}}}", first ? "" : ",", id, in_json(tokens_[id]), types[id] == kControl);
            first = false;
            if (text.size() > kTextMax) too_large();
        }
    }

    void add_vocabulary(const std::vector<int32_t>& types, std::string& text) const {
        bool first = true;
        for (size_t id = 0; id < tokens_.size(); ++id) {
            if (types[id] != kNormal) continue;
            text += fmt::format("{}{}:{}", first ? "" : ",", in_json(tokens_[id]), id);
            first = false;
        }
    }

    void add_merges(std::string& text) const {
        const std::string key = "tokenizer.ggml.merges";
        const GgufValue& array = gguf_array(file_, key, GgufType::text, kCountMax);
        file_.read_texts(key, array, kMergeMax, [&](uint64_t index, std::string_view merge) {
            check_text(key, index, merge);
            if (index > 0) text += ',';
            text += in_json(merge);
            if (text.size() > kTextMax) too_large();
        });
    }

    // Names of the tokens that templates use.
    std::string config() const {
        Json config = Json::object();
        for (const auto& [ours, key] : {std::pair("bos_token", "tokenizer.ggml.bos_token_id"),
                                        std::pair("eos_token", "tokenizer.ggml.eos_token_id"),
                                        std::pair("pad_token", "tokenizer.ggml.padding_token_id")})
            if (const auto id = token_id(key)) config[ours] = tokens_[*id];
        return config.dump(2);
    }

    // What ends a reply. The file names one; a folder's generation_config.json has both of Qwen's.
    Json end_tokens() const {
        std::vector<size_t> ids;
        const auto add = [&](size_t id) {
            if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
        };
        for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
            if (const auto id = token_id(key)) add(*id);
        for (const std::string_view content : {"<|im_end|>", "<|endoftext|>"})
            if (const auto found = ids_.find(content); found != ids_.end() && in_embedding(found->second)) add(found->second);
        return Json::array_t(ids.begin(), ids.end());
    }

    std::optional<size_t> token_id(const std::string& key) const {
        const auto id = gguf_integer(file_, key, 0, UINT32_MAX);
        if (!id) return {};
        if (static_cast<uint64_t>(*id) >= tokens_.size() || !in_embedding(static_cast<size_t>(*id)))
            fail(STEER_ERR_FORMAT, "{}: {} is {}, there are {} tokens", file_.name(), key, *id,
                 std::min(tokens_.size(), static_cast<size_t>(vocab_size_)));
        return static_cast<size_t>(*id);
    }

    bool in_embedding(size_t id) const { return id < static_cast<size_t>(vocab_size_); }

    void check_text(const std::string& key, uint64_t index, std::string_view text) const {
        if (!is_valid_utf8(text)) fail(STEER_ERR_FORMAT, "{}: {}[{}] is no UTF-8", file_.name(), key, index);
    }

    [[noreturn]] void too_large() const {
        fail(STEER_ERR_FORMAT, "{}: its tokenizer is larger than {} MiB as a tokenizer.json", file_.name(), kTextMax >> 20);
    }

    static std::string in_json(std::string_view text) { return Json(text).dump(); }

    const GgufFile& file_;
    int64_t vocab_size_;
    std::vector<std::string> tokens_;
    std::unordered_map<std::string_view, size_t> ids_; // views into tokens_, which no longer changes
};

} // namespace

GgufTokenizer gguf_tokenizer(const GgufFile& file, int64_t vocab_size) { return Writer(file, vocab_size).write(); }

} // namespace steer
