// Which tokens can follow from a place in a rule, whatever lies below it: the part of a mask that depends on no
// context, worked out once and kept. Where a token reaches over the rule's end the walk says from which nodes of the
// vocabulary the rule below has to go on; it is then walked from there in the same way.
#pragma once

#include "text/constraint/local_machine.h"
#include "text/constraint/vocabulary.h"

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace steer::constraint {

// Sets of nodes of the vocabulary by number. They are few: where strings end, where numbers do.
class NodeSets {
  public:
    static constexpr uint32_t kRoot = 0, kEmpty = 1;

    NodeSets();
    uint32_t number_of(std::vector<uint32_t> nodes); // sorted, each once
    const std::vector<uint32_t>& nodes(uint32_t number) const { return *sets_[number]; }
    bool full() const { return size_ > kSizeMax; }

  private:
    static constexpr size_t kSizeMax = size_t{4} << 20;

    std::map<std::vector<uint32_t>, uint32_t> numbers_;
    std::vector<const std::vector<uint32_t>*> sets_;
    size_t size_ = 0;
};

using Bits = std::vector<uint32_t>; // one for each token

class TokenSet { // as a list while that is shorter
  public:
    TokenSet() = default;
    TokenSet(std::vector<uint32_t> tokens, int32_t vocabulary_size);
    TokenSet(const TokenSet& a, const TokenSet& b, int32_t vocabulary_size); // of either
    void add_to(Bits& bits) const;
    size_t bytes() const { return (list_.size() + bits_.size()) * sizeof(uint32_t); }

  private:
    std::vector<uint32_t> list_;
    Bits bits_;
};

struct Bounds {     // what a level's context leaves to it
    uint32_t room;  // more that it may count
    uint32_t need;  // more that it must count
    int64_t tokens; // to its end, at most
};

class Walk {
  public:
    // nodes: from where in the vocabulary the state is entered.
    Walk(LocalMachine& machine, uint32_t state, const Vocabulary& vocabulary, uint32_t set, NodeSets& sets);

    void add_tokens(const Bounds& bounds, Bits& bits) const;
    uint32_t exits(const Bounds& bounds, NodeSets& sets) const; // a set's number
    size_t bytes() const;

  private:
    struct Group {
        Mark mark;
        TokenSet tokens;
    };
    struct Exit {
        uint32_t node, count;
        auto operator<=>(const Exit&) const = default;
    };
    struct Range {
        uint32_t min = UINT32_MAX, max = 0;
        void add(uint32_t value);
    };
    class Collector;

    std::vector<Group> groups_;
    TokenSet all_;
    uint32_t cost_max_ = 0;
    Range counts_, exit_counts_;
    std::vector<Exit> exits_;
    uint32_t all_exits_ = NodeSets::kEmpty;
};

// The walks of one grammar.
class Walks {
  public:
    Walks(const Grammar& grammar, const Vocabulary& vocabulary)
        : vocabulary_(&vocabulary), costs_(grammar, vocabulary), machine_(grammar, costs_) {}
    Walks(const Walks&) = delete;
    Walks& operator=(const Walks&) = delete;

    const TokenCosts& costs() const { return costs_; }
    // Lives until the next call.
    const Walk& get(NodeId node, uint32_t depth, uint32_t set, NodeSets& sets);
    void clear();

  private:
    static constexpr size_t kBytesMax = size_t{64} << 20;

    const Vocabulary* vocabulary_;
    TokenCosts costs_;
    LocalMachine machine_;
    std::unordered_map<uint64_t, std::unique_ptr<const Walk>> walks_;
    size_t bytes_ = 0;
};

} // namespace steer::constraint
