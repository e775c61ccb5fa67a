#include "text/sentencepiece_tokenizer.h"

#include "files/error.h"
#include "files/utf8.h"

#include <algorithm>

namespace steer {
namespace {

// The library takes 30 times the size of a text in memory, and its BPE keeps one heap for all of it, which is three times
// as slow over a megabyte as over a few KB.
constexpr size_t kUnigramCut = 64 << 10, kBpeCut = 4 << 10;
constexpr size_t kLibraryMax = size_t{256} << 20; // it counts in int, and spaces grow threefold

void load(sentencepiece::SentencePieceProcessor& processor, const std::string& file, const std::string& name) {
    const auto status = processor.LoadFromSerializedProto(file);
    if (!status.ok()) fail(STEER_ERR_FORMAT, "{}: sentencepiece does not take it: {}", name, status.error_message());
}

void encode_whole(const sentencepiece::SentencePieceProcessor& processor, std::string_view text, std::vector<int32_t>& out) {
    if (text.size() > kLibraryMax)
        fail(STEER_ERR_ARG, "a text of {} bytes without a place to cut it, allowed are {}", text.size(), kLibraryMax);
    std::vector<int> ids;
    const auto status = processor.Encode(text, &ids);
    if (!status.ok()) fail(STEER_ERR_INTERNAL, "sentencepiece: {}", status.error_message());
    out.insert(out.end(), ids.begin(), ids.end());
}

bool any_piece_holds(const SentencePieceModel& model, std::string_view text) {
    return std::any_of(model.pieces.begin(), model.pieces.end(),
                       [&](const SentencePiece& piece) { return piece.text.find(text) != piece.text.npos; });
}

// May a text be cut before this character (as pieces spell it) with the same tokens as whole? No piece may hold it behind
// another character; a run of it stays together. And it must be known, for unknown ones are merged with their neighbours.
bool may_cut_before(const SentencePieceModel& model, std::string_view character) {
    bool known = model.byte_fallback;
    for (const SentencePiece& piece : model.pieces) {
        if (!piece.is_text()) continue;
        known = known || (piece.text == character && piece.type != SentencePiece::Unused);
        std::string_view rest = piece.text;
        while (rest.starts_with(character)) rest.remove_prefix(character.size());
        if (rest.find(character) != rest.npos) return false;
    }
    return known;
}

} // namespace

SentencePieceTokenizer::SentencePieceTokenizer(const SentencePieceModel& model, PrefixSpace prefix, TokenTable tokens,
                                               const Digest& fingerprint, const std::string& name)
    : TableTokenizer(std::move(tokens), fingerprint),
      prefix_(prefix),
      piece_size_(model.kind == SentencePieceModel::Bpe ? kBpeCut : kUnigramCut) {
    load(plain_, write_sentencepiece_model(model, false), name);
    if (prefix != PrefixSpace::Never) load(prefixed_, write_sentencepiece_model(model, true), name);
    // Rules that rewrite the text may look beyond a cut.
    if (!model.chars_map.empty() || model.remove_extra_whitespaces || !model.escape_whitespaces) return;
    cut_before_space_ = may_cut_before(model, kSentencepieceSpace) && !any_piece_holds(model, " ");
    cut_before_newline_ = may_cut_before(model, "\n");
}

// How much of a text to encode now: all, or up to a place where nothing reaches across.
size_t SentencePieceTokenizer::find_cut(std::string_view text) const {
    for (size_t at = piece_size_; at < text.size(); ++at) {
        const char here = text[at], before = text[at - 1];
        if (here == '\n' && cut_before_newline_ && before != '\n') return at;
        const bool run = before == ' ' || text.substr(0, at).ends_with(kSentencepieceSpace);
        if (here == ' ' && cut_before_space_ && !run) return at;
    }
    return text.size();
}

void SentencePieceTokenizer::encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const {
    bool prefixed = prefix_ == PrefixSpace::Always || (prefix_ == PrefixSpace::First && begins);
    while (!valid.empty()) {
        const size_t cut = find_cut(valid);
        encode_whole(prefixed ? prefixed_ : plain_, valid.substr(0, cut), out);
        valid.remove_prefix(cut);
        prefixed = false;
    }
}

std::string SentencePieceTokenizer::normalise(std::string_view text, bool begins) const {
    std::vector<int32_t> ids;
    encode_plain(replace_invalid_utf8(text), begins, ids);
    std::string spelled;
    for (const int32_t id : ids) spelled += token_bytes(id);
    return spelled;
}

} // namespace steer
