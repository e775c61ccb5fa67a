// What a tokenizer knows of each id: the bytes it spells, and whether it is a control token.
#pragma once

#include "files/json.h"
#include "files/sha256.h"
#include "text/added_tokens.h"
#include "text/tokenizer.h"

#include <string>
#include <string_view>
#include <vector>

namespace steer {

class TokenTable {
  public:
    // The last one of several with the same id counts.
    void set(int32_t id, std::string_view bytes) { put(id, bytes, 0); }
    void set_control(int32_t id, std::string_view content, bool special);

    bool known(int32_t id) const { return has(id, Known); }
    bool is_control(int32_t id) const { return has(id, Control); }
    bool is_special(int32_t id) const { return has(id, Special); }
    std::string_view bytes(int32_t id) const;
    int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
    const AddedTokens& controls() const { return controls_; }

    void add_to(Sha256& sum) const; // ids, bytes and flags of all

  private:
    enum Flag : uint8_t { Control = 1, Special = 2, Known = 4 };
    struct Token {
        size_t begin = 0;
        uint32_t size = 0;
        uint8_t flags = 0;
    };

    bool has(int32_t id, Flag flag) const {
        return id >= 0 && static_cast<size_t>(id) < tokens_.size() && (tokens_[static_cast<size_t>(id)].flags & flag) != 0;
    }
    void put(int32_t id, std::string_view bytes, uint8_t flags);

    std::vector<Token> tokens_;
    std::string bytes_; // all tokens', one after the other
    AddedTokens controls_;
};

// The part that all tokenizers have in common: control tokens are found first, what is between them is cut by the kind.
class TableTokenizer : public Tokenizer {
  public:
    TableTokenizer(TokenTable tokens, const Digest& fingerprint) : tokens_(std::move(tokens)), fingerprint_(fingerprint) {}

    void encode(std::string_view text, bool special, std::vector<int32_t>& out) const final;
    bool find_next_control(std::string_view text, size_t from, ControlMatch& out) const final {
        return tokens_.controls().find(text, from, out);
    }
    std::string_view token_bytes(int32_t id) const final { return tokens_.bytes(id); }
    bool is_control(int32_t id) const final { return tokens_.is_control(id); }
    bool is_special(int32_t id) const final { return tokens_.is_special(id); }
    int32_t find_control(std::string_view text) const final { return tokens_.controls().find_exact(text); }
    int32_t size() const final { return tokens_.size(); }
    const Digest& fingerprint() const final { return fingerprint_; }

  protected:
    virtual void encode_plain(std::string_view valid, bool begins, std::vector<int32_t>& out) const = 0;

  private:
    TokenTable tokens_;
    Digest fingerprint_;
};

} // namespace steer
