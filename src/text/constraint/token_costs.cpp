#include "text/constraint/token_costs.h"

#include <algorithm>

namespace steer::constraint {
namespace {

// The fewest tokens from a node whose way begins with an edge, along that way.
uint32_t spell(const Grammar& grammar, const Vocabulary& vocabulary, const std::vector<uint32_t>& costs, NodeId from) {
    uint32_t best = kNever, at = Vocabulary::kRoot;
    for (const Node* node = &grammar.node(from); node->way_edge >= 0;) {
        const ByteEdge& edge = grammar.edges(*node)[static_cast<size_t>(node->way_edge)];
        at = vocabulary.child(at, edge.first);
        if (at == Vocabulary::kNowhere) break;
        if (!vocabulary.tokens(at).empty()) best = std::min(best, add_costs(1, costs[edge.to]));
        node = &grammar.node(edge.to);
    }
    return best;
}

// A name goes byte by byte: a token with the whole of it, or with its end, might spell one that is taken.
uint32_t cost_of_name(const Node& node) {
    return add_costs(node.bytes_to_end, node.bytes_to_end > 1 ? kSpareForName : 0);
}

} // namespace

TokenCosts::TokenCosts(const Grammar& grammar, const Vocabulary& vocabulary) : costs_(grammar.nodes().size(), kNever) {
    for (const NodeId id : grammar.by_way()) {
        const Node& node = grammar.node(id);
        if (grammar.rule_of(id).kind == RuleKind::name) {
            costs_[id] = cost_of_name(node);
        } else if (node.way_call >= 0) {
            const Call& call = grammar.calls(node)[static_cast<size_t>(node.way_call)];
            costs_[id] = add_costs(of_entry(grammar, {call.rule, call.limits}), costs_[call.to]);
        } else {
            costs_[id] = node.way_edge < 0 ? 0 : spell(grammar, vocabulary, costs_, id);
        }
    }
}

uint32_t TokenCosts::of_entry(const Grammar& grammar, const Entry& entry) const {
    return add_costs(costs_[grammar.rule(entry.rule).start], entry.limits.min);
}

uint32_t TokenCosts::of_level(const Level& level) const {
    const uint32_t missing = level.limits.min > level.count ? level.limits.min - level.count : 0;
    return add_costs(costs_[level.node], missing);
}

uint32_t TokenCosts::below(const Level& level) const {
    uint32_t sum = 0;
    for (const Level* at = level.below.get(); at != nullptr; at = at->below.get())
        sum = add_costs(sum, costs_[at->node]);
    return sum;
}

} // namespace steer::constraint
