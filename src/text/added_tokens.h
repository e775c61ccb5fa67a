// Finds the added tokens (control tokens) that are written in a text.
#pragma once

#include "text/flat_table.h"
#include "text/tokenizer.h"

#include <array>
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

} // namespace steer
