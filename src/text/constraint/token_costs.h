// How many tokens it takes to finish a document: for each node of a grammar a number that is surely enough, found by
// spelling the node's shortest way with the vocabulary. No token reaches over the border of a rule in it; therefore one
// of the tokens that may come next always leads to a place that takes one token less.
#pragma once

#include "text/constraint/grammar.h"
#include "text/constraint/pushdown.h"
#include "text/constraint/vocabulary.h"

#include <vector>

namespace steer::constraint {

class TokenCosts {
  public:
    TokenCosts(const Grammar& grammar, const Vocabulary& vocabulary);

    // To the rule's end, without what is still to be counted; of a name: if it is not taken where it stands.
    uint32_t at(NodeId node) const { return costs_[node]; }
    uint32_t of_entry(const Grammar& grammar, const Entry& entry) const;
    uint32_t of_level(const Level& level) const; // this one alone: what it counts included
    uint32_t below(const Level& level) const;    // all those below it

  private:
    std::vector<uint32_t> costs_;
};

constexpr uint32_t kSpareForName = 1; // one more character, should the name be one that is taken

// A free name could be ended here.
inline bool name_may_end(const Grammar& grammar, NodeId node) {
    return grammar.rule_of(node).kind == RuleKind::name && grammar.node(node).bytes_to_end == 1;
}

constexpr uint32_t add_costs(uint32_t a, uint32_t b) { return a >= kNever || b >= kNever ? kNever : a + b; }

} // namespace steer::constraint
