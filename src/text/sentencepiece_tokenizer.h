// A tokenizer.model of sentencepiece, cut by the sentencepiece library.
//
// Where a text begins, sentencepiece puts a space before it, so that a word is one and the same there and elsewhere. In a
// text with control tokens this is done as transformers does it for Llama with legacy=false
// (https://github.com/huggingface/transformers/pull/24565): at the very beginning only, not behind control tokens. A
// tokenizer_config.json with "legacy": true has it behind each of them too; "add_prefix_space" overrules the model's own
// add_dummy_prefix. The space belongs to its token: the bytes of the tokens of "Hello" spell " Hello", nothing is stripped.
#pragma once

#include "text/sentencepiece_model.h"
#include "text/token_table.h"

#include <sentencepiece_processor.h>

namespace steer {

enum class PrefixSpace : uint8_t { Never, First, Always };

class SentencePieceTokenizer final : public TableTokenizer {
  public:
    // STEER_ERR_FORMAT where the library does not take the model. name: of its file.
    SentencePieceTokenizer(const SentencePieceModel& model, PrefixSpace prefix, TokenTable tokens, const Digest& fingerprint,
                           const std::string& name);

    std::string normalise(std::string_view text, bool begins) const override;

  private:
    using Processor = sentencepiece::SentencePieceProcessor;

    void encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const override;
    size_t find_cut(std::string_view text) const;

    Processor plain_, prefixed_; // without and with a space put before the text
    PrefixSpace prefix_;
    size_t piece_size_;       // of text that goes to the library at once, if it can be cut
    bool cut_before_space_ = false, cut_before_newline_ = false;
};

} // namespace steer
