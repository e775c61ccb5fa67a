// Texts with a number each, to be followed byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace steer {

class PieceTrie {
  public:
    using Entry = std::pair<std::string_view, int32_t>; // a text that is not empty, a number that is not negative
    static constexpr uint32_t kRoot = 0, kNone = UINT32_MAX;

    explicit PieceTrie(std::vector<Entry> entries); // no text twice

    uint32_t child(uint32_t node, char byte) const { // kNone: no text goes on like this
        const Node& parent = nodes_[node];
        const void* found = std::memchr(labels_.data() + parent.children, byte, parent.child_count);
        return found == nullptr ? kNone : static_cast<uint32_t>(static_cast<const char*>(found) - labels_.data());
    }
    int32_t value(uint32_t node) const { return nodes_[node].value; } // -1: no text ends here

    struct Match {
        size_t size = 0; // 0: none
        int32_t value = -1;
    };
    Match longest(std::string_view text) const; // of those that text begins with

  private:
    struct Node {
        uint32_t children = 0; // side by side
        uint32_t child_count = 0;
        int32_t value = -1;
    };

    std::vector<Node> nodes_;
    std::vector<char> labels_; // labels_[i] leads to nodes_[i]
};

} // namespace steer
