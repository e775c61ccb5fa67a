// A tokenizer.json small enough to work out by hand: 256 bytes, a few merges, a few control tokens.
#pragma once

#include "../tree.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "files/utf8.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace steer::test {

inline constexpr int32_t im_start = 1000, im_end = 1001, think = 1002;

// How byte-level BPE writes a byte.
inline std::string byte_name(uint8_t byte) {
    static constexpr uint8_t others[] = {0x7F, 0xAD};
    uint32_t code = byte;
    if (byte <= 0x20) code = 0x100u + byte;
    if (byte == others[0]) code = 0x121;
    if (byte >= 0x80 && byte <= 0xA0) code = 0x122u + (byte - 0x80u);
    if (byte == others[1]) code = 0x143;
    std::string text;
    append_utf8(code, text);
    return text;
}

inline std::string bytes_name(const std::string& bytes) {
    std::string text;
    for (char byte : bytes) text += byte_name(static_cast<uint8_t>(byte));
    return text;
}

// Token of one byte: its value. Token of the i-th merge: 256 + i. Control tokens from 1000 on.
inline Tree small_tokenizer_json(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
    Tree vocab = Tree::object(), rules = Tree::array();
    for (int byte = 0; byte < 256; ++byte) vocab[byte_name(static_cast<uint8_t>(byte))] = byte;
    for (const auto& [left, right] : merges) {
        vocab[bytes_name(left + right)] = 256 + static_cast<int>(rules.size());
        rules.push_back({bytes_name(left), bytes_name(right)});
    }
    auto added = [](int32_t id, const char* text, bool special) {
        return Tree{{"id", id}, {"content", text}, {"normalized", false}, {"special", special}};
    };
    Tree steps = {{{"type", "Split"}, {"pattern", {{"Regex", std::string(qwen_pattern)}}}, {"behavior", "Isolated"}},
                  {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}};
    return {
        {"added_tokens",
         {added(im_start, "<|im_start|>", true), added(im_end, "<|im_end|>", true), added(think, "<think>", false)}},
        {"normalizer", {{"type", "NFC"}}},
        {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", steps}}},
        {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", rules}}}};
}

inline std::unique_ptr<Tokenizer> small_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges = {}) {
    return load_bpe_tokenizer(small_tokenizer_json(merges).dump(), "small");
}

inline std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text, bool special = false) {
    std::vector<int32_t> ids;
    tokenizer.encode(text, special, ids);
    return ids;
}

inline std::string spell(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
    std::string text;
    for (int32_t id : ids) text += tokenizer.token_bytes(id);
    return text;
}

} // namespace steer::test
