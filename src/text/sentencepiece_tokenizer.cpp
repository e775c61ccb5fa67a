#include "text/sentencepiece_tokenizer.h"

#include "files/error.h"
#include "files/utf8.h"
#include "text/piece_bpe.h"
#include "text/unigram.h"

#include <algorithm>

namespace steer {
namespace {

constexpr size_t kNormalMax = size_t{1} << 31; // bytes, exclusive

std::unique_ptr<const PieceModel> make_model(const SentencePieceModel& model) {
    if (model.kind == SentencePieceModel::Bpe) return std::make_unique<PieceBpe>(model);
    return std::make_unique<UnigramModel>(model);
}

std::optional<std::array<int32_t, 256>> find_bytes(const SentencePieceModel& model, const std::string& name) {
    std::array<int32_t, 256> ids;
    ids.fill(-1);
    for (const auto& [text, id] : model.texts({SentencePiece::Byte})) ids[static_cast<size_t>(byte_of_piece(text))] = id;
    const auto missing = std::count(ids.begin(), ids.end(), -1);
    if (missing != (model.byte_fallback ? 0 : 256))
        fail(STEER_ERR_FORMAT, "{}: of the pieces that spell a byte {} are missing, and byte_fallback is {}", name, missing,
             model.byte_fallback);
    return model.byte_fallback ? std::optional(ids) : std::nullopt;
}

} // namespace

SentencePieceTokenizer::SentencePieceTokenizer(const SentencePieceModel& model, PrefixSpace prefix, TokenTable tokens,
                                               const Digest& fingerprint, const std::string& name)
    : TableTokenizer(std::move(tokens), fingerprint),
      prefix_(prefix),
      normalizer_(model, name),
      model_(make_model(model)),
      unknown_(model.texts({SentencePiece::Unknown}).front().second),
      byte_ids_(find_bytes(model, name)) {}

void SentencePieceTokenizer::encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const {
    const bool prefixed = prefix_ == PrefixSpace::Always || (prefix_ == PrefixSpace::First && begins);
    const std::string normal = normalizer_.normalise(valid, prefixed);
    if (normal.size() >= kNormalMax) fail(STEER_ERR_ARG, "a text of {} bytes is too long to be cut into tokens", valid.size());
    std::vector<PieceSpan> spans;
    model_->cut(normal, spans);
    append_ids(normal, spans, out);
}

void SentencePieceTokenizer::append_ids(std::string_view normal, const std::vector<PieceSpan>& spans,
                                        std::vector<int32_t>& out) const {
    bool behind_unknown = false;
    for (const PieceSpan& span : spans) {
        const bool unknown = span.id == kUnknownPiece;
        if (!unknown) out.push_back(span.id);
        else if (byte_ids_)
            for (const char byte : normal.substr(0, span.size)) out.push_back((*byte_ids_)[static_cast<uint8_t>(byte)]);
        else if (!behind_unknown) out.push_back(unknown_); // one for a run of them
        behind_unknown = unknown;
        normal.remove_prefix(span.size);
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
