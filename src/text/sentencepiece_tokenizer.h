// A tokenizer.model of sentencepiece: normaliser, unigram or BPE, byte fallback.
//
// Written here and compared in bulk with the sentencepiece library, rather than linked to it. The library of Debian 12 follows
// normalisation rules out of their bounds, ends in a crash where memory ends while it reads a model or cuts a text (so does
// its protobuf wherever an exception passes), and brings protobuf symbols that meet those of a host that has protobuf too.
//
// Where a text begins, sentencepiece puts a space before it, so that a word is one and the same there and elsewhere. In a
// text with control tokens this is done as transformers does it for Llama with legacy=false
// (https://github.com/huggingface/transformers/pull/24565): at the very beginning only, not behind control tokens. A
// tokenizer_config.json with "legacy": true has it behind each of them too; "add_prefix_space" overrules the model's own
// add_dummy_prefix. The space belongs to its token: the bytes of the tokens of "Hello" spell " Hello", nothing is stripped.
#pragma once

#include "text/piece_model.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_normalizer.h"
#include "text/token_table.h"

#include <array>
#include <memory>
#include <optional>

namespace steer {

enum class PrefixSpace : uint8_t { Never, First, Always };

class SentencePieceTokenizer final : public TableTokenizer {
  public:
    // STEER_ERR_FORMAT where the model is none. name: of its file, for error messages.
    SentencePieceTokenizer(const SentencePieceModel& model, PrefixSpace prefix, TokenTable tokens, const Digest& fingerprint,
                           const std::string& name);

    std::string normalise(std::string_view text, bool begins) const override;

  private:
    void encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const override;
    void append_ids(std::string_view normal, const std::vector<PieceSpan>& spans, std::vector<int32_t>& out) const;

    PrefixSpace prefix_;
    SentencePieceNormalizer normalizer_;
    std::unique_ptr<const PieceModel> model_;
    int32_t unknown_ = 0;
    std::optional<std::array<int32_t, 256>> byte_ids_; // what spells an unknown character; none: the unknown piece
};

} // namespace steer
