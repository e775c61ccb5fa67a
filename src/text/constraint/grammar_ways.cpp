// Knuth's generalisation of Dijkstra's algorithm (A generalization of Dijkstra's algorithm, 1977): the shortest thing
// that each node of a grammar can still become. Nodes are settled in order of length, so every way leads to nodes
// settled before.
#include "text/constraint/grammar_builder.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace steer::constraint {
namespace {

struct Candidate {
    uint32_t bytes, depth, order;
    NodeId node;
    int32_t edge, call;
    bool operator>(const Candidate& other) const {
        return std::tie(bytes, depth, order) > std::tie(other.bytes, other.depth, other.order);
    }
};

struct Use { // of a node: as an edge's end, a call's end, or the start of a called rule
    NodeId by;
    int32_t edge, call;
};

} // namespace

void GrammarBuilder::find_ways() {
    std::vector<Node>& nodes = grammar_.nodes_;
    std::vector<std::vector<Use>> uses(nodes.size());
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    uint32_t order = 0;
    for (NodeId id = 0; id < nodes.size(); id++) {
        const Parts& parts = parts_[id];
        for (size_t i = 0; i < parts.edges.size(); i++)
            uses[parts.edges[i].to].push_back({id, static_cast<int32_t>(i), -1});
        for (size_t i = 0; i < parts.calls.size(); i++) {
            uses[parts.calls[i].to].push_back({id, -1, static_cast<int32_t>(i)});
            uses[start(parts.calls[i].rule)].push_back({id, -1, static_cast<int32_t>(i)});
        }
        if (nodes[id].final) queue.push({0, 0, order++, id, -1, -1});
    }

    std::vector<bool> settled(nodes.size());
    while (!queue.empty()) {
        const Candidate now = queue.top();
        queue.pop();
        if (settled[now.node]) continue;
        settled[now.node] = true;
        nodes[now.node].bytes_to_end = now.bytes;
        nodes[now.node].depth_to_end = now.depth;
        nodes[now.node].way_edge = now.edge;
        nodes[now.node].way_call = now.call;
        grammar_.by_way_.push_back(now.node);
        for (const Use& use : uses[now.node]) {
            if (settled[use.by]) continue;
            if (use.edge >= 0) {
                queue.push({now.bytes + 1, now.depth, order++, use.by, use.edge, -1});
                continue;
            }
            const Call& call = parts_[use.by].calls[static_cast<size_t>(use.call)];
            const NodeId begin = start(call.rule);
            if (!settled[begin] || !settled[call.to]) continue;
            const uint32_t bytes = nodes[begin].bytes_to_end + call.limits.min + nodes[call.to].bytes_to_end;
            if (bytes >= kNever) continue;
            const uint32_t inside =
                nodes[begin].depth_to_end + (grammar_.rules_[call.rule].kind == RuleKind::container);
            queue.push({bytes, std::max(inside, nodes[call.to].depth_to_end), order++, use.by, -1, use.call});
        }
    }
}

} // namespace steer::constraint
