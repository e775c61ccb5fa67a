// The vocabulary as a trie of bytes in preorder, so that a walk over all tokens that share a beginning is a run through
// memory. Control tokens are not in it: they spell no text.
#pragma once

#include "text/tokenizer.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace steer::constraint {

class Vocabulary {
  public:
    static constexpr uint32_t kRoot = 0, kNowhere = UINT32_MAX;

    struct Node {
        uint32_t end;         // first node behind its subtree
        uint32_t token_begin; // in tokens(); those of a node end where the next node's begin
        uint16_t depth;       // bytes from the root
        uint8_t byte;
    };

    // Ids from size on are not real.
    Vocabulary(const Tokenizer& tokenizer, int32_t size);

    int32_t size() const { return size_; }
    uint32_t node_count() const { return static_cast<uint32_t>(nodes_.size()) - 1; }
    const Node& node(uint32_t at) const { return nodes_[at]; }
    std::span<const uint32_t> tokens(uint32_t node) const { // those that end at a node: mostly one or none
        return std::span(tokens_).subspan(nodes_[node].token_begin,
                                          nodes_[node + 1].token_begin - nodes_[node].token_begin);
    }
    uint32_t child(uint32_t node, uint8_t byte) const; // kNowhere: no token goes on so
    uint32_t find(uint32_t node, std::string_view bytes) const;
    uint32_t opened_max() const { return opened_max_; } // most [ and { in a token

  private:
    int32_t size_;
    uint32_t opened_max_ = 0;
    std::vector<Node> nodes_; // and one more, for the end of the last
    std::vector<uint32_t> tokens_;
};

} // namespace steer::constraint
