// Added tokens (control tokens): finds those that are written in a text; reads how Hugging Face writes them down.
#pragma once

#include "files/json.h"
#include "text/flat_table.h"
#include "text/tokenizer.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

class AddedTokens {
  public:
    static constexpr size_t content_max = 128; // bytes; bounds the work per byte of text: a second for 2 MiB

    void add(std::string_view content, int32_t id); // not empty, at most content_max bytes
    bool find(std::string_view text, size_t from, ControlMatch& out) const;
    int32_t find_exact(std::string_view content) const; // -1: none

  private:
    // A trie: an edge from (node, byte) to a node; node 0 is the root.
    static uint64_t edge(int32_t node, char byte) {
        return static_cast<uint64_t>(static_cast<uint32_t>(node)) << 8 | static_cast<uint8_t>(byte);
    }

    FlatTable<int32_t> edges_;
    std::vector<int32_t> ids_ = {-1}; // token that ends at a node
    std::array<bool, 256> starts_{};
};

struct AddedToken {
    std::string content;
    bool special = false; // not written by decode unless asked
};

// {"content": "<|im_end|>", "special": true, "lstrip": false, ...}. What would make it swallow the text around it is
// STEER_ERR_UNSUPPORTED.
AddedToken read_added_token(const Json& entry, const std::string& where);

} // namespace steer
