#include "text/constraint/grammar_builder.h"

#include "files/error.h"

#include <algorithm>
#include <map>
#include <utility>

namespace steer::constraint {

RuleId GrammarBuilder::add_rule(RuleKind kind, std::string where) {
    const auto id = static_cast<RuleId>(grammar_.rules_.size());
    grammar_.rules_.push_back({.kind = kind});
    wheres_.push_back(std::move(where));
    const NodeId start = add_node(id);
    grammar_.rules_[id].start = start;
    return id;
}

NodeId GrammarBuilder::add_node(RuleId rule) {
    if (parts_.size() >= kNodesMax) refuse_size();
    grammar_.nodes_.push_back({.rule = rule});
    parts_.emplace_back();
    return static_cast<NodeId>(parts_.size() - 1);
}

void GrammarBuilder::edge(NodeId from, uint8_t first, uint8_t last, NodeId to, bool counts, bool needs_min) {
    if (++edge_count_ > kEdgesMax) refuse_size();
    parts_[from].edges.push_back({first, last, counts, needs_min, to});
}

void GrammarBuilder::call(NodeId from, const Entry& entry, NodeId to) {
    if (++edge_count_ > kEdgesMax) refuse_size();
    parts_[from].calls.push_back({entry.rule, to, entry.limits});
}

void GrammarBuilder::skip(NodeId from, NodeId to) { parts_[from].skips.push_back(to); }

void GrammarBuilder::refuse_size() const {
    fail(STEER_ERR_UNSUPPORTED, "constraint_text: too large: its automaton has more than {} states or {} moves",
         kNodesMax, kEdgesMax);
}

NodeId GrammarBuilder::literal(NodeId from, std::string_view bytes) {
    for (const char byte : bytes) {
        const NodeId next = add_node(grammar_.nodes_[from].rule);
        edge(from, byte, next);
        from = next;
    }
    return from;
}

void GrammarBuilder::literals(NodeId from, std::span<const std::string> texts, NodeId to) {
    std::map<std::pair<NodeId, char>, NodeId> inner, last;
    for (const std::string& text : texts) {
        NodeId at = from;
        for (size_t i = 0; i + 1 < text.size(); i++) {
            const auto [found, fresh] = inner.try_emplace({at, text[i]});
            if (fresh) edge(at, text[i], found->second = add_node(grammar_.nodes_[from].rule));
            at = found->second;
        }
        if (last.try_emplace({at, text.back()}, to).second) edge(at, text.back(), to);
    }
}

std::optional<std::string> GrammarBuilder::finish(const Entry& root) {
    grammar_.root_ = root;
    close_over_skips();
    find_ways();
    if (grammar_.nodes_[start(root.rule)].bytes_to_end >= kNever) return find_cause(root.rule);
    drop_what_never_ends();
    refuse_endless_calls();
    pack();
    find_byte_classes();
    return {};
}

// What can be reached for nothing is there at once.
void GrammarBuilder::close_over_skips() {
    std::vector<uint32_t> seen(parts_.size(), UINT32_MAX);
    std::vector<Parts> closed(parts_.size());
    std::vector<NodeId> open;
    size_t count = 0;
    for (NodeId id = 0; id < parts_.size(); id++) {
        open.assign(1, id);
        seen[id] = id;
        for (size_t i = 0; i < open.size(); i++) {
            const Parts& from = parts_[open[i]];
            closed[id].edges.insert(closed[id].edges.end(), from.edges.begin(), from.edges.end());
            closed[id].calls.insert(closed[id].calls.end(), from.calls.begin(), from.calls.end());
            if (grammar_.nodes_[open[i]].final) set_final(id);
            for (const NodeId next : from.skips)
                if (std::exchange(seen[next], id) != id) open.push_back(next);
        }
        count += closed[id].edges.size() + closed[id].calls.size();
        if (count > kEdgesMax) refuse_size();
    }
    for (Parts& parts : closed) parts.skips.clear();
    parts_ = std::move(closed);
}

// A rule never ends because of one that it calls, and so on, down to one that calls none or has been seen.
std::string GrammarBuilder::find_cause(RuleId rule) const {
    std::vector<bool> seen(grammar_.rules_.size());
    std::string where;
    for (bool found = true; found;) {
        seen[rule] = true;
        if (!wheres_[rule].empty()) where = wheres_[rule];
        found = false;
        for (NodeId id = 0; id < parts_.size() && !found; id++) {
            if (grammar_.nodes_[id].rule != rule) continue;
            for (const Call& call : parts_[id].calls) {
                if (seen[call.rule] || grammar_.nodes_[start(call.rule)].bytes_to_end < kNever) continue;
                rule = call.rule;
                found = true;
                break;
            }
        }
    }
    return where;
}

void GrammarBuilder::drop_what_never_ends() {
    const auto never = [this](NodeId id) { return grammar_.nodes_[id].bytes_to_end >= kNever; };
    for (NodeId id = 0; id < parts_.size(); id++) {
        Parts& parts = parts_[id];
        Node& node = grammar_.nodes_[id];
        // The way's own index moves with what is taken out before it.
        const auto keep = [](auto& list, int32_t& index, const auto& gone) {
            size_t kept = 0;
            for (size_t i = 0; i < list.size(); i++) {
                if (gone(list[i])) continue;
                if (index == static_cast<int32_t>(i)) index = static_cast<int32_t>(kept);
                list[kept++] = list[i];
            }
            list.resize(kept);
        };
        keep(parts.edges, node.way_edge, [&](const ByteEdge& edge) { return never(edge.to); });
        keep(parts.calls, node.way_call, [&](const Call& call) { return never(call.to) || never(start(call.rule)); });
    }
}

// A rule that begins with itself would be entered for ever; a long chain of beginnings would take the stack.
void GrammarBuilder::refuse_endless_calls() const {
    constexpr uint32_t kChainMax = 200;
    std::vector<uint32_t> length(grammar_.rules_.size(), 0); // of the chain from a rule on; 0: not looked at
    struct Visit {
        RuleId rule;
        size_t next_call;
    };
    std::vector<Visit> path;
    std::vector<bool> on_path(length.size());
    for (RuleId first = 0; first < length.size(); first++) {
        if (length[first] != 0) continue;
        path.push_back({first, 0});
        on_path[first] = true;
        while (!path.empty()) {
            auto& [rule, next_call] = path.back();
            const std::vector<Call>& calls = parts_[start(rule)].calls;
            if (next_call < calls.size()) {
                const RuleId callee = calls[next_call++].rule;
                if (on_path[callee])
                    fail(STEER_ERR_FORMAT, "constraint_text: {}: leads back to itself with nothing in between",
                         wheres_[callee]);
                if (length[callee] != 0) continue;
                on_path[callee] = true;
                path.push_back({callee, 0});
                continue;
            }
            uint32_t longest = 0;
            for (const Call& call : calls) longest = std::max(longest, length[call.rule]);
            length[rule] = longest + 1;
            if (longest >= kChainMax)
                fail(STEER_ERR_UNSUPPORTED,
                     "constraint_text: {}: more than {} alternatives or references within each other", wheres_[rule],
                     kChainMax);
            on_path[rule] = false;
            path.pop_back();
        }
    }
}

void GrammarBuilder::pack() {
    for (NodeId id = 0; id < parts_.size(); id++) {
        Node& node = grammar_.nodes_[id];
        const auto append = [](auto& all, const auto& some, uint32_t& begin, uint32_t& end) {
            begin = static_cast<uint32_t>(all.size());
            all.insert(all.end(), some.begin(), some.end());
            end = static_cast<uint32_t>(all.size());
        };
        append(grammar_.edges_, parts_[id].edges, node.edge_begin, node.edge_end);
        append(grammar_.calls_, parts_[id].calls, node.call_begin, node.call_end);
        if (node.bytes_to_end < kNever)
            grammar_.depth_to_end_max_ = std::max(grammar_.depth_to_end_max_, node.depth_to_end);
    }
    parts_.clear();
}

void GrammarBuilder::find_byte_classes() {
    std::array<bool, 257> begins{};
    for (const ByteEdge& edge : grammar_.edges_) begins[edge.first] = begins[edge.last + size_t{1}] = true;
    uint8_t number = 0;
    for (size_t byte = 0; byte < 256; byte++) {
        if (byte > 0 && begins[byte]) number++;
        grammar_.byte_classes_[byte] = number;
    }
    grammar_.byte_class_count_ = size_t{number} + 1;
}

} // namespace steer::constraint
