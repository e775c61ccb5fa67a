#include "run/conditions.h"

#include <algorithm>
#include <bit>

namespace steer {
namespace {

uint64_t bit_of(const ConditionSpec& condition) { return uint64_t{1} << condition.bit; }

// Bits that have an owner, the same one in both.
uint64_t same_owner(const BitOwners& a, const BitOwners& b) {
    uint64_t same = 0;
    for (size_t bit = 0; bit < a.size(); bit++)
        if (a[bit] != 0 && a[bit] == b[bit]) same |= uint64_t{1} << bit;
    return same;
}

uint64_t owned(const BitOwners& owners) { return same_owner(owners, owners); }

} // namespace

void ConditionOwners::note(uint32_t injection, const InjectionSpec& spec) {
    for (const ConditionSpec& one : spec.conditions) (one.same_pass ? gates : rules)[static_cast<size_t>(one.bit)] = injection;
}

bool add_groups_left(const InjectionSpec& spec, uint64_t rules, std::vector<uint64_t>& groups) {
    const size_t before = groups.size();
    bool any = spec.conditions.empty();
    for (size_t i = 0; i < spec.conditions.size(); i++) {
        const uint32_t group = spec.conditions[i].group;
        const auto in_group = [=](const ConditionSpec& one) { return one.group == group; };
        const auto begin = spec.conditions.begin();
        if (std::find_if(begin, spec.conditions.end(), in_group) != begin + static_cast<ptrdiff_t>(i)) continue; // seen
        bool left = true;
        uint64_t gates = 0;
        for (const ConditionSpec& one : spec.conditions) {
            if (one.group != group) continue;
            if (one.same_pass) gates |= bit_of(one);
            else left = left && (rules & bit_of(one)) != 0;
        }
        if (!left) continue;
        any = true;
        if (gates == 0) { // holds whatever the gates say
            groups.resize(before);
            return true;
        }
        groups.push_back(gates);
    }
    return any;
}

bool acts(const InjectionSpec& spec, ConditionBits bits) {
    if (spec.conditions.empty()) return true;
    std::vector<uint64_t> groups;
    if (!add_groups_left(spec, bits.rules, groups)) return false;
    return groups.empty() ||
           std::any_of(groups.begin(), groups.end(), [&](uint64_t group) { return (bits.gates & group) == group; });
}

uint64_t ConditionHistory::rules_at(int32_t position) const {
    if (rules_.empty()) return 0;
    return rules_[std::min(static_cast<size_t>(position), rules_.size() - 1)];
}

ConditionHistory::Today::Today(const ConditionHistory& history, const ConditionOwners& owners)
    : history_(history),
      rules_(same_owner(history.owners_.rules, owners.rules)),
      gates_(same_owner(history.owners_.gates, owners.gates)),
      new_gates_(owned(owners.gates) & ~gates_) {}

// Gates that were read at the position.
uint64_t ConditionHistory::Today::gates_known(int32_t position) const {
    uint64_t known = gates_;
    for (uint64_t left = gates_; left != 0; left &= left - 1) {
        const int bit = std::countr_zero(left);
        if (position < history_.gate_since(bit)) known &= ~(uint64_t{1} << bit);
    }
    return known;
}

ConditionBits ConditionHistory::Today::before(int32_t position) const {
    ConditionBits bits{history_.rules_at(position) & rules_, 0};
    const auto last = static_cast<size_t>(position) - 1;
    if (position > 0 && last < history_.gates_.size()) bits.gates = history_.gates_[last] & gates_known(position - 1);
    return bits;
}

ConditionBits ConditionHistory::Today::at(int32_t position) const {
    const uint64_t known = gates_known(position);
    const auto index = static_cast<size_t>(position);
    const uint64_t open = (index < history_.gates_.size() ? history_.gates_[index] : 0) & known;
    return {history_.rules_at(position) & rules_, open | ((gates_ | new_gates_) & ~known)};
}

int32_t ConditionHistory::Today::same_rules(int32_t begin, int32_t count) const {
    int32_t same = std::min(count, 1);
    while (same < count && ((history_.rules_at(begin) ^ history_.rules_at(begin + same)) & rules_) == 0) same++;
    return same;
}

void ConditionHistory::make_room(size_t positions, const ConditionOwners& today) {
    const auto reserve = [&](std::vector<uint64_t>& bits, const BitOwners& owners) {
        if (positions <= bits.capacity() || (bits.empty() && owned(owners) == 0)) return;
        bits.reserve(std::max(positions, bits.capacity() * 2));
    };
    reserve(rules_, today.rules);
    reserve(gates_, today.gates);
}

void ConditionHistory::forget_others(const ConditionOwners& today, int32_t begin) noexcept {
    const uint64_t rules = same_owner(owners_.rules, today.rules), gates = same_owner(owners_.gates, today.gates);
    if (rules != owned(owners_.rules))
        for (uint64_t& bits : rules_) bits &= rules;
    if (gates != owned(owners_.gates))
        for (uint64_t& bits : gates_) bits &= gates;
    for (size_t bit = 0; bit < gate_since_.size(); bit++) {
        const bool known = (gates >> bit & 1) != 0;
        gate_since_[bit] = known ? std::min(gate_since_[bit], begin) : begin;
    }
    owners_ = today;
}

void ConditionHistory::note(int32_t begin, int32_t count, const ConditionOwners& today, uint64_t rules, std::optional<uint64_t> next,
                            std::span<const uint64_t> gates) noexcept {
    if (empty() && owned(today.rules) == 0 && owned(today.gates) == 0) return; // nobody has conditions, nobody had
    forget_others(today, begin);
    const auto end = static_cast<size_t>(begin) + static_cast<size_t>(count);
    if (!rules_.empty() || owned(today.rules) != 0) {
        while (rules_.size() < static_cast<size_t>(begin)) rules_.push_back(rules_.empty() ? 0 : rules_.back());
        while (rules_.size() < end) rules_.push_back(rules);
        if (next) {
            rules_.resize(end);
            rules_.push_back(*next);
        }
    }
    if (gates.empty()) return;
    gates_.resize(static_cast<size_t>(begin)); // what was dropped is computed anew
    gates_.insert(gates_.end(), gates.begin(), gates.end());
}

void ConditionHistory::keep_tokens(int32_t count) noexcept {
    rules_.resize(std::min(rules_.size(), static_cast<size_t>(count) + 1)); // what stands behind them depends on them alone
    keep_computed(count);
}

void ConditionHistory::keep_computed(int32_t count) noexcept {
    gates_.resize(std::min(gates_.size(), static_cast<size_t>(count)));
}

void ConditionHistory::take_rules(const ConditionHistory& other, int32_t from) {
    forget_others(other.owners_, from);
    if (rules_.empty() && other.rules_.empty()) return;
    std::vector<uint64_t> rules;
    for (int32_t position = 0; position < from; position++) rules.push_back(rules_at(position));
    const auto end = std::max(static_cast<size_t>(from) + 1, other.rules_.size());
    while (rules.size() < end) rules.push_back(other.rules_at(static_cast<int32_t>(rules.size())));
    rules_ = std::move(rules);
}

void ConditionHistory::restore(std::vector<uint64_t> rules, std::vector<uint64_t> gates, const ConditionOwners& owners,
                               const std::array<int32_t, kConditionBits>& gate_since) {
    rules_ = std::move(rules);
    gates_ = std::move(gates);
    owners_ = owners;
    gate_since_ = gate_since;
}

} // namespace steer
