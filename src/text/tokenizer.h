// Text to token ids and back. Two kinds: byte-level BPE and sentencepiece.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct ControlMatch {
    size_t begin = 0, end = 0; // bytes
    int32_t id = -1;
};

class Tokenizer {
  public:
    virtual ~Tokenizer() = default;

    // Appends to out; text that begins out begins a sequence, which some kinds mark. special: control tokens written in the
    // text are read as such; else they are plain text.
    // Broken UTF-8 is read as Python's decode(errors="replace") would: one U+FFFD per maximal ill-formed part.
    virtual void encode(std::string_view text, bool special, std::vector<int32_t>& out) const = 0;
    // What the tokens of plain text spell: the text, well-formed and normalised. begins: as the beginning of a sequence.
    virtual std::string normalise(std::string_view text, bool begins) const = 0;
    // The first control token (leftmost, of those the longest) that begins at or after from; false: none.
    virtual bool find_next_control(std::string_view text, size_t from, ControlMatch& out) const = 0;

    virtual std::string_view token_bytes(int32_t id) const = 0; // exactly what the token spells; empty: no such token
    virtual bool is_control(int32_t id) const = 0;              // an added token: <|im_start|>, <think>, ...
    virtual bool is_special(int32_t id) const = 0; // not written by decode unless asked: <|im_start|>, not <think>
    virtual int32_t find_control(std::string_view text) const = 0; // -1: none
    virtual int32_t size() const = 0; // ids below are real; the padded rows above are never sampled
    // SHA-256 over id, bytes and flags of every token, and the merges.
    virtual const std::array<uint8_t, 32>& fingerprint() const = 0;
};

// Reads a Hugging Face tokenizer.json with byte-level BPE in Qwen's layout. Anything else in it that would change
// tokens is STEER_ERR_UNSUPPORTED by name; what breaks the format is STEER_ERR_FORMAT.
std::unique_ptr<Tokenizer> load_bpe_tokenizer(std::string_view tokenizer_json, const std::string& name);

struct TokenizerFiles { // of a model folder, as they are; empty: not there
    std::string_view tokenizer_json, tokenizer_model;
    std::string_view tokenizer_config, added_tokens, special_tokens_map; // beside a tokenizer.model
    std::string folder;                                                  // for error messages
};

// tokenizer.json where it is there, else the sentencepiece model tokenizer.model with the added tokens of the others.
std::unique_ptr<Tokenizer> load_tokenizer(const TokenizerFiles& files);
std::unique_ptr<Tokenizer> load_sentencepiece_tokenizer(const TokenizerFiles& files);

} // namespace steer
