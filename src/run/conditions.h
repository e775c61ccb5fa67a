// Conditions of injections over a conversation's positions: what their comparators said, who acts by it.
//
// A session has room for 64 rules and 64 gates, one bit each. A rule looks at the gauge values of a step that sampled a token
// and says who acts at the next position; prompt pieces leave it as it is, so that nothing depends on how a prompt is cut. A
// gate is read at every position, in the pass itself. Both are false before their first reading.
//
// What the rules said is kept for every position, so a rewind goes back to it, and positions that are computed again (refresh,
// dropped weights) are computed under what was in force there: the settings are today's, the rules stand as they stood. That is
// also what stale_from compares with. Gates follow from the states alone and are read again.
#pragma once

#include "steer/compile_plan.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace steer {

constexpr int32_t kConditionBits = 64; // of each kind

struct ConditionBits {
    uint64_t rules = 0, gates = 0;
};

using BitOwners = std::array<uint32_t, kConditionBits>; // by bit: the injection whose condition it is; 0: nobody's

struct ConditionOwners {
    BitOwners rules{}, gates{};

    void note(uint32_t injection, const InjectionSpec& spec);
};

// A group whose conditions all hold, or no conditions.
bool acts(const InjectionSpec& spec, ConditionBits bits);
// Adds the groups that the rules leave to gates, as the bits that must be set; none: whatever the gates say. False: the rules
// leave nothing to hope for.
bool add_groups_left(const InjectionSpec& spec, uint64_t rules, std::vector<uint64_t>& groups);

class ConditionHistory {
  public:
    // The history as far as its bits mean today what they meant then. Lives no longer than the history stays as it is.
    class Today {
      public:
        Today(const ConditionHistory& history, const ConditionOwners& owners);
        ConditionBits before(int32_t position) const; // rules in force there, gates after the position before
        ConditionBits at(int32_t position) const; // of a computed one; a gate that was not there then is taken for open
        // How many positions from begin on, at most count, have the same rules in force as the first.
        int32_t same_rules(int32_t begin, int32_t count) const;

      private:
        uint64_t gates_known(int32_t position) const;
        const ConditionHistory& history_;
        uint64_t rules_, gates_, new_gates_; // bits
    };

    void make_room(size_t positions, const ConditionOwners& today);
    // `count` positions from begin on were computed under rules; next: in force behind the last of the list, where a token was
    // sampled. gates: after each position; empty: there are none. Needs the room.
    void note(int32_t begin, int32_t count, const ConditionOwners& today, uint64_t rules, std::optional<uint64_t> next,
              std::span<const uint64_t> gates) noexcept;

    void keep_tokens(int32_t count) noexcept;   // the list was changed behind so many
    void keep_computed(int32_t count) noexcept; // the cache was dropped behind so many
    void take_rules(const ConditionHistory& other, int32_t from); // of a saved state, from there on; owners are the other's

    bool empty() const { return rules_.empty() && gates_.empty(); }
    const ConditionOwners& owners() const { return owners_; }
    const std::vector<uint64_t>& rules() const { return rules_; }
    const std::vector<uint64_t>& gates() const { return gates_; }
    int32_t gate_since(int32_t bit) const { return gate_since_[static_cast<size_t>(bit)]; }
    void restore(std::vector<uint64_t> rules, std::vector<uint64_t> gates, const ConditionOwners& owners,
                 const std::array<int32_t, kConditionBits>& gate_since);

  private:
    uint64_t rules_at(int32_t position) const;
    void forget_others(const ConditionOwners& today, int32_t begin) noexcept;

    std::vector<uint64_t> rules_; // in force at each position, as far as known: the last holds on; empty: none ever
    std::vector<uint64_t> gates_; // after each computed position; what is missing at the end: none
    ConditionOwners owners_;
    std::array<int32_t, kConditionBits> gate_since_{}; // first position at which it was read
};

} // namespace steer
