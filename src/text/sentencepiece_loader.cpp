// From the files of a folder to a sentencepiece tokenizer: which pieces are text, which are control tokens.
#include "files/error.h"
#include "files/file.h"
#include "files/quote.h"
#include "text/added_token_files.h"
#include "text/sentencepiece_tokenizer.h"

#include <bit>

namespace steer {
namespace {

constexpr int32_t kIdSlack = 1 << 16; // added tokens may leave gaps, but not take memory that the files do not justify

std::string spell(const SentencePiece& piece) {
    if (piece.type == SentencePiece::Byte) return std::string(1, static_cast<char>(byte_of_piece(piece.text)));
    std::string bytes(piece.text);
    for (size_t at = 0; (at = bytes.find(kSentencepieceSpace, at)) != bytes.npos; ++at)
        bytes.replace(at, kSentencepieceSpace.size(), " ");
    return bytes;
}

bool is_markup(std::string_view text) { // <start_of_turn>, [INST]
    const bool angle = text.starts_with('<') && text.ends_with('>'), square = text.starts_with('[') && text.ends_with(']');
    return text.size() > 2 && (angle || square) && text.find(kSentencepieceSpace) == text.npos &&
           text.find_first_of(" \t\r\n") == text.npos;
}

class Loader {
  public:
    explicit Loader(const TokenizerFiles& files)
        : name_(join_path(files.folder, "tokenizer.model")),
          model_(read_sentencepiece_model(files.tokenizer_model, name_)),
          added_(read_added_token_files(files, static_cast<int32_t>(model_.pieces.size()) + kIdSlack)) {}

    std::unique_ptr<Tokenizer> load() {
        for (size_t id = 0; id < model_.pieces.size(); ++id) place(static_cast<int32_t>(id), model_.pieces[id]);
        for (const auto& [id, token] : added_.by_id)
            if (static_cast<size_t>(id) >= model_.pieces.size()) set_control(id, token.content, token.special);
        const PrefixSpace prefix = prefix_space();
        const Digest sum = fingerprint(prefix);
        return std::make_unique<SentencePieceTokenizer>(model_, prefix, std::move(tokens_), sum, name_);
    }

  private:
    void place(int32_t id, SentencePiece& piece) {
        const auto named = added_.by_id.find(id);
        if (named != added_.by_id.end() && !is_listed_text(piece, named->second)) {
            set_control(id, named->second.content, named->second.special);
        } else if (named == added_.by_id.end() && is_control(piece)) {
            set_control(id, piece.text, is_special(piece));
        } else {
            return tokens_.set(id, spell(piece));
        }
        if (piece.type != SentencePiece::Unknown) piece.type = SentencePiece::Control; // no text becomes it any more
    }

    void set_control(int32_t id, std::string_view content, bool special) {
        if (content.size() > AddedTokens::content_max)
            fail(STEER_ERR_UNSUPPORTED, "{}: the control token {} has {} bytes, allowed are {}", name_, quote(content),
                 content.size(), AddedTokens::content_max);
        if (tokens_.controls().find_exact(content) >= 0)
            fail(STEER_ERR_FORMAT, "{}: the control token {} is there twice", name_, quote(content));
        tokens_.set_control(id, content, special);
    }

    // Gemma's "\n\n" or "<h1>": among the added tokens, and yet text.
    static bool is_listed_text(const SentencePiece& piece, const AddedToken& token) {
        return piece.type == SentencePiece::UserDefined && !token.special && token.content == piece.text;
    }

    // What no file lists. A user-defined piece is found in any text, so what looks like markup is rather kept out of texts:
    // who trained <|im_start|> as one meant a control token, and message text must not become it.
    bool is_control(const SentencePiece& piece) const {
        return is_special(piece) || (piece.type == SentencePiece::UserDefined && is_markup(piece.text));
    }
    bool is_special(const SentencePiece& piece) const {
        if (piece.type == SentencePiece::Byte) return false;
        return piece.type == SentencePiece::Control || piece.type == SentencePiece::Unknown ||
               added_.special.contains(piece.text);
    }

    PrefixSpace prefix_space() const {
        if (!added_.add_prefix_space.value_or(model_.add_dummy_prefix)) return PrefixSpace::Never;
        return added_.legacy ? PrefixSpace::Always : PrefixSpace::First;
    }

    Digest fingerprint(PrefixSpace prefix) const {
        Sha256 sum;
        const auto add = [&](const std::string& text) { sum.update(text.data(), text.size()); };
        add(fmt::format("steer sentencepiece 1 {} {} {} {} {} {}\n", static_cast<int>(model_.kind), model_.byte_fallback,
                        model_.remove_extra_whitespaces, model_.escape_whitespaces, static_cast<int>(prefix),
                        model_.chars_map.size()));
        sum.update(model_.chars_map.data(), model_.chars_map.size());
        for (const SentencePiece& piece : model_.pieces) {
            add(fmt::format("{} {} {}\n", static_cast<int>(piece.type), std::bit_cast<uint32_t>(piece.score), piece.text.size()));
            sum.update(piece.text.data(), piece.text.size());
        }
        tokens_.add_to(sum);
        return sum.finish();
    }

    const std::string name_;
    SentencePieceModel model_;
    const AddedTokenFiles added_;
    TokenTable tokens_;
};

} // namespace

std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const TokenizerFiles& files) { return Loader(files).load(); }

std::unique_ptr<Tokenizer> load_tokenizer(const TokenizerFiles& files) {
    if (files.tokenizer_json.empty() && !files.tokenizer_model.empty()) return load_sentencepiece_tokenizer(files);
    return load_bpe_tokenizer(files.tokenizer_json, join_path(files.folder, "tokenizer.json"));
}

} // namespace steer
