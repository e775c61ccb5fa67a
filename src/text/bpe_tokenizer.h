// Byte-level BPE in Qwen's layout: added tokens, NFC, pre-tokeniser, merges.
#pragma once

#include "text/bpe.h"
#include "text/token_table.h"

#include <array>

namespace steer {

class BpeTokenizer final : public TableTokenizer {
  public:
    using ByteIds = std::array<int32_t, 256>; // the tokens of single bytes, with which merging begins

    BpeTokenizer(const ByteIds& byte_ids, BpeModel model, bool nfc, TokenTable tokens, const Digest& fingerprint)
        : TableTokenizer(std::move(tokens), fingerprint), byte_ids_(byte_ids), model_(std::move(model)), nfc_(nfc) {}

    std::string normalise(std::string_view text, bool begins) const override;

  private:
    void encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const override;

    ByteIds byte_ids_;
    BpeModel model_;
    bool nfc_;
};

} // namespace steer
