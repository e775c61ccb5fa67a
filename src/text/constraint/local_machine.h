// A grammar made deterministic as far as it is used, for walks over the vocabulary: what bytes do to a rule that was
// entered in the middle, whatever lies below it. What the rule has counted before is not known either, so the machine
// counts from 0 and says how far it came.
#pragma once

#include "text/constraint/pushdown.h"
#include "text/constraint/token_costs.h"

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace steer::constraint {

struct Mark {       // of a state, if a token ends there
    uint32_t cost;  // tokens to the end of the rule that was entered, without what is to be counted in it
    uint32_t count; // that it has counted
    bool operator==(const Mark&) const = default;
};

class LocalMachine {
  public:
    static constexpr uint32_t kDead = UINT32_MAX;

    LocalMachine(const Grammar& grammar, const TokenCosts& costs) : grammar_(&grammar), costs_(&costs) {}

    // States live until the next call of enter with more of them than is good.
    uint32_t enter(NodeId node, uint32_t depth);
    uint32_t next(uint32_t state, uint8_t byte) {
        const uint32_t known = table_[state * grammar_->byte_class_count() + grammar_->byte_class(byte)];
        return known == kUnknown ? find_next(state, byte) : known;
    }
    std::span<const uint32_t> marks(uint32_t state) const { // numbers for mark()
        return std::span(marks_of_states_).subspan(summaries_[state].mark_begin, summaries_[state].mark_count);
    }
    bool has_ended(uint32_t state) const { return summaries_[state].has_ended; }
    const std::vector<uint32_t>& ended(uint32_t state) const { return states_[state].ended; } // counts
    bool goes_on(uint32_t state) const { return summaries_[state].mark_count > 0; }
    const Mark& mark(uint32_t number) const { return marks_[number]; }
    size_t mark_count() const { return marks_.size(); }

  private:
    static constexpr uint32_t kUnknown = UINT32_MAX - 1;
    static constexpr size_t kTableMax = size_t{4} << 20; // entries kept from walk to walk

    struct Summary { // of a state: what a walk asks at every node
        uint32_t mark_begin;
        uint16_t mark_count;
        bool has_ended;
    };

    uint32_t find_next(uint32_t state, uint8_t byte);
    uint32_t keep(Places places);
    uint32_t mark_of(const Level& top);

    const Grammar* grammar_;
    const TokenCosts* costs_;
    void forget();

    std::vector<Places> states_;
    std::vector<Summary> summaries_;
    std::vector<uint32_t> marks_of_states_;
    std::vector<uint32_t> table_; // [state][byte class]
    std::unordered_map<std::string, uint32_t> by_contents_;
    std::vector<Mark> marks_;
};

} // namespace steer::constraint
