// Puts a grammar together: nodes with edges, calls and free moves; finish() makes it what grammar.h promises.
#pragma once

#include "text/constraint/grammar.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steer::constraint {

class GrammarBuilder {
  public:
    static constexpr size_t kNodesMax = 200'000, kEdgesMax = 1'000'000;

    // With a start node. where: of the schema, for words.
    RuleId add_rule(RuleKind kind = RuleKind::plain, std::string where = {});
    NodeId start(RuleId rule) const { return grammar_.rules_[rule].start; }
    void set_names(RuleId rule, std::vector<std::string> names) { grammar_.rules_[rule].names = std::move(names); }

    NodeId add_node(RuleId rule);
    void edge(NodeId from, uint8_t first, uint8_t last, NodeId to, bool counts = false, bool needs_min = false);
    void edge(NodeId from, char byte, NodeId to) {
        edge(from, static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), to);
    }
    void call(NodeId from, const Entry& entry, NodeId to);
    void skip(NodeId from, NodeId to); // reads nothing
    void set_final(NodeId node) { grammar_.nodes_[node].final = true; }

    NodeId literal(NodeId from, std::string_view bytes);                       // where it ends
    void literals(NodeId from, std::span<const std::string> texts, NodeId to); // one of them, common beginnings shared

    // Where in the schema something is asked for that nothing can satisfy; nothing: all is well. To be called once.
    std::optional<std::string> finish(const Entry& root);
    const Grammar& grammar() const { return grammar_; }
    Grammar take() { return std::move(grammar_); }

  private:
    struct Parts {
        std::vector<ByteEdge> edges;
        std::vector<Call> calls;
        std::vector<NodeId> skips;
    };

    void refuse_size() const;
    void close_over_skips();
    void find_ways();
    std::string find_cause(RuleId rule) const;
    void drop_what_never_ends();
    void refuse_endless_calls() const;
    void pack();
    void find_byte_classes();

    Grammar grammar_;
    std::vector<Parts> parts_;        // by node
    std::vector<std::string> wheres_; // by rule
    size_t edge_count_ = 0;
};

} // namespace steer::constraint
