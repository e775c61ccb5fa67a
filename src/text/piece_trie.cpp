#include "text/piece_trie.h"

#include <algorithm>

namespace steer {

PieceTrie::PieceTrie(std::vector<Entry> entries) : nodes_(1), labels_(1) {
    std::sort(entries.begin(), entries.end());
    struct Range { // of entries that begin alike, as far as their node
        uint32_t begin, end, depth;
    };
    std::vector<Range> ranges = {{0, static_cast<uint32_t>(entries.size()), 0}}; // as nodes_
    for (size_t node = 0; node < nodes_.size(); ++node) {
        auto [at, end, depth] = ranges[node];
        // The shortest comes first: the one that ends here, if there is one.
        if (at < end && entries[at].first.size() == depth) nodes_[node].value = entries[at++].second;
        nodes_[node].children = static_cast<uint32_t>(nodes_.size());
        while (at < end) {
            const char label = entries[at].first[depth];
            uint32_t next = at;
            while (next < end && entries[next].first[depth] == label) ++next;
            ranges.push_back({at, next, depth + 1});
            nodes_.emplace_back();
            labels_.push_back(label);
            at = next;
        }
        nodes_[node].child_count = static_cast<uint32_t>(nodes_.size()) - nodes_[node].children;
    }
}

PieceTrie::Match PieceTrie::longest(std::string_view text) const {
    Match match;
    uint32_t node = kRoot;
    for (size_t at = 0; at < text.size() && (node = child(node, text[at])) != kNone; ++at)
        if (value(node) >= 0) match = {at + 1, value(node)};
    return match;
}

} // namespace steer
