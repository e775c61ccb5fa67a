// A grammar over bytes. A rule is a small automaton whose nodes read bytes and call other rules; no rule reads nothing.
// From every node there is a way to its rule's end: what could not be finished was taken out when the grammar was made.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace steer::constraint {

using NodeId = uint32_t;
using RuleId = uint32_t;

constexpr uint32_t kNever = UINT32_MAX / 4; // a cost that no way has; sums of a few of them do not overflow
constexpr uint32_t kDepthMax = 64;          // containers within containers

struct Limits { // of what a rule counts: characters of a string, commas of an array
    uint32_t min = 0, max = UINT32_MAX;
    bool operator==(const Limits&) const = default;
};

struct ByteEdge {
    uint8_t first = 0, last = 0;
    bool counts = false;    // one more; not beyond limits.max
    bool needs_min = false; // not before limits.min
    NodeId to = 0;
};

struct Call {
    RuleId rule = 0;
    NodeId to = 0; // when the rule has ended
    Limits limits;
};

struct Node {
    uint32_t edge_begin = 0, edge_end = 0, call_begin = 0, call_end = 0;
    RuleId rule = 0;
    bool final = false;
    // The shortest way to the rule's end, the counted minimum left out: its bytes, the containers open on it at a time,
    // and its first part: the edge or call of that index; neither: it ends here.
    uint32_t bytes_to_end = kNever, depth_to_end = 0;
    int32_t way_edge = -1, way_call = -1;

    bool only_final() const { return final && edge_begin == edge_end && call_begin == call_end; }
};

enum class RuleKind : uint8_t { plain, container, name };

struct Rule {
    NodeId start = 0;
    RuleKind kind = RuleKind::plain;
    std::vector<std::string> names; // of an object: what no free name may be, as it is spelled between the quotes
};

struct Entry { // a rule and how it is called
    RuleId rule = 0;
    Limits limits;
    bool operator==(const Entry&) const = default;
};

class Grammar {
  public:
    std::span<const Node> nodes() const { return nodes_; }
    const Node& node(NodeId id) const { return nodes_[id]; }
    const Rule& rule(RuleId id) const { return rules_[id]; }
    const Rule& rule_of(NodeId id) const { return rules_[nodes_[id].rule]; }
    std::span<const ByteEdge> edges(const Node& node) const {
        return std::span(edges_).subspan(node.edge_begin, node.edge_end - node.edge_begin);
    }
    std::span<const Call> calls(const Node& node) const {
        return std::span(calls_).subspan(node.call_begin, node.call_end - node.call_begin);
    }
    const Entry& root() const { return root_; }
    std::span<const NodeId> by_way() const { return by_way_; } // every node after those that its way leads through
    uint32_t depth_to_end_max() const { return depth_to_end_max_; }

    // Bytes that no edge tells apart are of one class.
    uint8_t byte_class(uint8_t byte) const { return byte_classes_[byte]; }
    size_t byte_class_count() const { return byte_class_count_; }

  private:
    friend class GrammarBuilder;

    std::vector<Node> nodes_;
    std::vector<ByteEdge> edges_;
    std::vector<Call> calls_;
    std::vector<Rule> rules_;
    std::vector<NodeId> by_way_;
    Entry root_;
    uint32_t depth_to_end_max_ = 0;
    std::array<uint8_t, 256> byte_classes_{};
    size_t byte_class_count_ = 1;
};

} // namespace steer::constraint
