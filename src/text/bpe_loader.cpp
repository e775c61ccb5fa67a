// tokenizer.json of Hugging Face tokenizers, the parts that Qwen's layout uses. Facts: formats.md part C.
#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "text/bpe_tokenizer.h"
#include "text/pre_tokenizer.h"
#include "files/utf8.h"

#include <unordered_map>

namespace steer {
namespace {

constexpr int64_t id_slack = int64_t{1} << 16; // ids may leave gaps, but not take memory that the file does not justify
constexpr size_t entry_max = size_t{1} << 20, token_max = 4096; // merges, added tokens; bytes of one token

// Byte-level BPE writes each byte as one printable character: those of Latin-1 that print stand for themselves, the
// others count up from U+0100.
struct ByteAlphabet {
    std::array<uint32_t, 256> character{};
    std::array<int16_t, 512> byte{};

    ByteAlphabet() {
        byte.fill(-1);
        uint32_t extra = 256;
        for (uint32_t b = 0; b < 256; ++b) {
            bool prints = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
            character[b] = prints ? b : extra++;
            byte[character[b]] = static_cast<int16_t>(b);
        }
    }
    // The bytes that a vocabulary entry spells; one that is not in this alphabet spells itself.
    std::string decode(std::string_view text) const {
        std::string bytes;
        for (const char *at = text.data(), *end = at + text.size(); at < end;) {
            uint32_t code = decode_valid_utf8(at);
            if (code >= byte.size() || byte[code] < 0) return std::string(text);
            bytes += static_cast<char>(byte[code]);
        }
        return bytes;
    }
};

class Loader {
  public:
    Loader(std::string_view text, const std::string& name)
        : name_(name), root_(parse_json(text, name)), id_limit_(id_slack + static_cast<int64_t>(text.size() / 16)) {}

    std::unique_ptr<Tokenizer> load() {
        bool nfc = read_normalizer();
        check_pre_tokenizer();
        const Json& model = get_object(root_, "model", name_);
        check_model(model);
        read_vocabulary(get_object(model, "vocab", name_));
        const BpeTokenizer::ByteIds byte_ids = find_bytes();
        BpeModel merges = read_merges(get_array(model, "merges", name_));
        read_added();
        const Digest sum = fingerprint(nfc);
        return std::make_unique<BpeTokenizer>(byte_ids, std::move(merges), nfc, std::move(tokens_), sum);
    }

  private:
    static bool absent(const Json* field) { return !field || field->is_null(); }

    [[noreturn]] void unsupported(std::string_view what, const Json& value) const {
        const std::string words = value.dump();
        fail(STEER_ERR_UNSUPPORTED, "{}: {} is not supported: {}", name_, what, quote(words, 120));
    }

    bool read_normalizer() const {
        const Json* normalizer = find_field(root_, "normalizer");
        if (absent(normalizer)) return false;
        if (get_string(*normalizer, "type", name_) != "NFC") unsupported("normalizer", *normalizer);
        return true;
    }

    void check_pre_tokenizer() const {
        const Json& sequence = get_object(root_, "pre_tokenizer", name_);
        if (get_string(sequence, "type", name_) != "Sequence") unsupported("pre_tokenizer", sequence);
        const Json& steps = get_array(sequence, "pretokenizers", name_);
        if (steps.size() != 2 || get_string(steps[0], "type", name_) != "Split" ||
            get_string(steps[1], "type", name_) != "ByteLevel") {
            unsupported("pre_tokenizer", sequence);
        }
        const Json& split = steps[0];
        if (get_string_or(get_object(split, "pattern", name_), "Regex", name_, "") != qwen_pattern) {
            unsupported("pre_tokenizer pattern", *split.find("pattern"));
        }
        if (get_string(split, "behavior", name_) != "Isolated" || get_bool_or(split, "invert", name_, false)) {
            unsupported("pre_tokenizer Split", split);
        }
        const Json& bytes = steps[1];
        if (get_bool_or(bytes, "add_prefix_space", name_, true) || get_bool_or(bytes, "use_regex", name_, true)) {
            unsupported("pre_tokenizer ByteLevel", bytes);
        }
    }

    void check_model(const Json& model) const {
        if (get_string_or(model, "type", name_, "BPE") != "BPE") unsupported("model", *model.find("type"));
        for (const char* key :
             {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"}) {
            const Json* field = find_field(model, key);
            bool off = absent(field) || *field == Json("") || *field == Json(false) || (field->is_number() && field->get<double>() == 0.0);
            if (!off) unsupported(fmt::format("model.{}", key), *field);
        }
    }

    void read_vocabulary(const Json& vocabulary) {
        const auto& entries = vocabulary.get_ref<const Json::object_t&>();
        ids_.reserve(entries.size());
        for (const auto& [text, value] : entries) {
            bool good = value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(id_limit_);
            if (!good) {
                fail(STEER_ERR_FORMAT, "{}: vocab: the id of {} must be a whole number from 0 to {}", name_, quote(text),
                     id_limit_ - 1);
            }
            if (text.size() > token_max) {
                fail(STEER_ERR_UNSUPPORTED, "{}: vocab: {} has {} bytes, allowed are {}", name_, quote(text), text.size(),
                     token_max);
            }
            auto id = value.get<int32_t>();
            if (tokens_.known(id)) fail(STEER_ERR_FORMAT, "{}: vocab: id {} is given twice", name_, id);
            tokens_.set(id, alphabet_.decode(text));
            ids_.emplace(text, id);
        }
    }

    int32_t id_of(std::string_view text, const char* where, size_t index) const {
        auto found = ids_.find(text);
        if (found == ids_.end())
            fail(STEER_ERR_FORMAT, "{}: {}[{}]: {} is not in vocab", name_, where, index, quote(text));
        return found->second;
    }

    // "a b" in older files, ["a", "b"] in newer ones.
    std::pair<std::string_view, std::string_view> merge_parts(const Json& merge, size_t index) const {
        if (merge.is_string()) {
            std::string_view text = merge.get_ref<const std::string&>();
            size_t space = text.find(' ');
            if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
                return {text.substr(0, space), text.substr(space + 1)};
            }
        } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
        }
        fail(STEER_ERR_FORMAT, "{}: merges[{}] must be \"a b\" or [\"a\", \"b\"]", name_, index);
    }

    BpeTokenizer::ByteIds find_bytes() {
        BpeTokenizer::ByteIds ids{};
        made_from_text_.resize(static_cast<size_t>(tokens_.size()));
        for (size_t b = 0; b < ids.size(); ++b) {
            std::string text;
            append_utf8(alphabet_.character[b], text);
            ids[b] = id_of(text, "byte alphabet", b);
            made_from_text_[static_cast<size_t>(ids[b])] = true;
        }
        return ids;
    }

    BpeModel read_merges(const Json& merges) {
        if (merges.size() > entry_max)
            fail(STEER_ERR_FORMAT, "{}: {} merges, at most {} are read", name_, merges.size(), entry_max);
        BpeModel model(merges.size());
        std::string joined;
        for (size_t rank = 0; rank < merges.size(); ++rank) {
            auto [left, right] = merge_parts(merges[rank], rank);
            joined.assign(left).append(right);
            int32_t ids[3] = {id_of(left, "merges", rank), id_of(right, "merges", rank), id_of(joined, "merges", rank)};
            if (!model.add(ids[0], ids[1], {static_cast<uint32_t>(rank), ids[2]}))
                fail(STEER_ERR_FORMAT, "{}: merges[{}]: {} and {} stands twice", name_, rank, quote(left), quote(right));
            made_from_text_[static_cast<size_t>(ids[2])] = true;
            merge_sum_.update(ids, sizeof ids);
        }
        return model;
    }

    // Control tokens are trusted because text cannot become one: so none may be a token that text does become, nor take the
    // place of another.
    void check_added(int32_t id, const std::string& content, const std::string& where) const {
        const auto index = static_cast<size_t>(id);
        if (tokens_.known(id) && (tokens_.bytes(id) != content || tokens_.is_control(id)))
            fail(STEER_ERR_FORMAT, "{}: id {} is already {}", where, id, quote(tokens_.bytes(id)));
        if (index < made_from_text_.size() && made_from_text_[index])
            fail(STEER_ERR_UNSUPPORTED, "{}: plain text becomes {} too, which a control token must not", where, quote(content));
        if (tokens_.controls().find_exact(content) >= 0)
            fail(STEER_ERR_FORMAT, "{}: the content {} stands twice", where, quote(content));
    }

    void read_added() {
        if (absent(find_field(root_, "added_tokens"))) return;
        const Json& list = get_array(root_, "added_tokens", name_);
        for (size_t i = 0; i < list.size(); ++i) {
            std::string where = fmt::format("{}: added_tokens[{}]", name_, i);
            auto id = static_cast<int32_t>(get_int(list[i], "id", where, 0, id_limit_ - 1));
            AddedToken token = read_added_token(list[i], where);
            if (token.content.empty()) continue;
            check_added(id, token.content, where);
            tokens_.set_control(id, token.content, token.special);
        }
    }

    Digest fingerprint(bool nfc) {
        Sha256 sum = merge_sum_;
        uint8_t byte = nfc;
        sum.update(&byte, 1);
        tokens_.add_to(sum);
        return sum.finish();
    }

    const std::string& name_;
    Json root_;
    int64_t id_limit_;
    ByteAlphabet alphabet_;
    std::unordered_map<std::string_view, int32_t> ids_; // by the text in vocab; views into root_
    TokenTable tokens_;
    std::vector<bool> made_from_text_; // by id: a byte, or what merges make
    Sha256 merge_sum_;
};

} // namespace

std::unique_ptr<Tokenizer> load_bpe_tokenizer(std::string_view tokenizer_json, const std::string& name) {
    return Loader(tokenizer_json, name).load();
}

} // namespace steer
