#include "text/constraint/vocabulary.h"

#include <algorithm>
#include <utility>

namespace steer::constraint {

Vocabulary::Vocabulary(const Tokenizer& tokenizer, int32_t size) : size_(std::min(size, tokenizer.size())) {
    std::vector<std::pair<std::string_view, uint32_t>> words;
    for (int32_t id = 0; id < size_; id++) {
        const std::string_view bytes = tokenizer.token_bytes(id);
        if (bytes.empty() || bytes.size() > UINT16_MAX || tokenizer.is_control(id)) continue;
        words.emplace_back(bytes, static_cast<uint32_t>(id));
        const auto opened = std::count_if(bytes.begin(), bytes.end(), [](char c) { return c == '{' || c == '['; });
        opened_max_ = std::max(opened_max_, static_cast<uint32_t>(opened));
    }
    std::sort(words.begin(), words.end());

    std::vector<uint32_t> path{kRoot}; // nodes of the word before, from the root on
    const auto open = [&](uint8_t byte) {
        nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), static_cast<uint16_t>(path.size()), byte});
        path.push_back(static_cast<uint32_t>(nodes_.size() - 1));
    };
    const auto close_down_to = [&](size_t depth) {
        for (; path.size() > depth + 1; path.pop_back()) nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
    };
    nodes_.push_back({0, 0, 0, 0});
    std::string_view before;
    for (const auto& [bytes, id] : words) {
        const size_t longest = std::min(before.size(), bytes.size());
        const auto same = static_cast<size_t>(
            std::mismatch(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(longest), before.begin()).first -
            bytes.begin());
        close_down_to(same);
        for (const char byte : bytes.substr(same)) open(static_cast<uint8_t>(byte));
        tokens_.push_back(id);
        before = bytes;
    }
    close_down_to(0);
    nodes_[kRoot].end = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), 0, 0});
    nodes_.shrink_to_fit();
}

uint32_t Vocabulary::child(uint32_t node, uint8_t byte) const {
    if (node == kNowhere) return kNowhere;
    const uint32_t end = nodes_[node].end;
    for (uint32_t at = node + 1; at < end; at = nodes_[at].end) {
        if (nodes_[at].byte == byte) return at;
        if (nodes_[at].byte > byte) break;
    }
    return kNowhere;
}

uint32_t Vocabulary::find(uint32_t node, std::string_view bytes) const {
    for (const char byte : bytes) node = child(node, static_cast<uint8_t>(byte));
    return node;
}

} // namespace steer::constraint
