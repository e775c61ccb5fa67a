// Byte-level BPE in Qwen's layout: added tokens, NFC, pre-tokeniser, merges.
#pragma once

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/tokenizer.h"

#include <string>
#include <vector>

namespace steer {

class TokenBytes { // all tokens' bytes, one after the other
  public:
    void resize(size_t count) { places_.resize(count); }
    size_t count() const { return places_.size(); }
    void set(int32_t id, std::string_view bytes) {
        places_[static_cast<size_t>(id)] = {bytes_.size(), bytes.size()};
        bytes_.append(bytes);
    }
    std::string_view get(int32_t id) const {
        if (id < 0 || static_cast<size_t>(id) >= places_.size()) return {};
        const Place& place = places_[static_cast<size_t>(id)];
        return std::string_view(bytes_).substr(place.begin, place.size);
    }

  private:
    struct Place {
        size_t begin = 0, size = 0;
    };
    std::vector<Place> places_;
    std::string bytes_;
};

enum TokenFlag : uint8_t { TokenControl = 1, TokenSpecial = 2 };

struct BpeParts { // what the loader found
    BpeModel model;
    TokenBytes bytes;
    std::vector<uint8_t> flags; // TokenFlag, by id
    AddedTokens added;
    bool nfc = true;
    std::array<uint8_t, 32> fingerprint{};
};

class BpeTokenizer final : public Tokenizer {
  public:
    explicit BpeTokenizer(BpeParts parts) : parts_(std::move(parts)) {}

    void encode(std::string_view text, bool special, std::vector<int32_t>& out) const override;
    std::string normalise(std::string_view text) const override;
    bool find_next_control(std::string_view text, size_t from, ControlMatch& out) const override {
        return parts_.added.find(text, from, out);
    }
    std::string_view token_bytes(int32_t id) const override { return parts_.bytes.get(id); }
    bool is_control(int32_t id) const override { return has(id, TokenControl); }
    bool is_special(int32_t id) const override { return has(id, TokenSpecial); }
    int32_t find_control(std::string_view text) const override { return parts_.added.find_exact(text); }
    int32_t size() const override { return static_cast<int32_t>(parts_.bytes.count()); }
    const std::array<uint8_t, 32>& fingerprint() const override { return parts_.fingerprint; }

  private:
    bool has(int32_t id, TokenFlag flag) const {
        return id >= 0 && static_cast<size_t>(id) < parts_.flags.size() &&
               (parts_.flags[static_cast<size_t>(id)] & flag) != 0;
    }
    void encode_plain(std::string_view valid, BpeScratch& scratch, std::vector<int32_t>& out) const;

    BpeParts parts_;
};

} // namespace steer
