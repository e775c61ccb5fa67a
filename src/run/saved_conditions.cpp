#include "run/saved_conditions.h"

#include <algorithm>
#include <cstring>

namespace steer {
namespace {

struct SavedComparator {
    uint64_t key;
    uint32_t kind, bit;
    int32_t since;
    uint32_t unused;
};
static_assert(sizeof(SavedComparator) == 24);

struct Counts {
    uint32_t comparators, rules, gates;
};

// All comparators of a session, by slot of their injections and in the order given there: of several that are alike the first
// comes first in both sessions.
std::vector<SavedComparator> comparators_of(const ControlsView& controls) {
    std::vector<SavedComparator> all;
    for (const ActiveInjection& injection : controls.injections)
        for (const ConditionSpec& one : injection.spec->conditions)
            all.push_back({condition_key(one) ^ injection.effect * 0x9e3779b97f4a7c15u, one.same_pass,
                           static_cast<uint32_t>(one.bit), 0, 0});
    return all;
}

uint32_t owner(const ConditionOwners& owners, const SavedComparator& one) {
    return (one.kind != 0 ? owners.gates : owners.rules)[one.bit];
}

template<class T> void append(std::string& out, const T* values, size_t count) {
    if (count > 0) out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

template<class T> std::vector<T> take(std::string_view& from, size_t count) {
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), from.data(), count * sizeof(T));
    from.remove_prefix(count * sizeof(T));
    return values;
}

// The bits of one kind, each moved to where its comparator is now.
void move_bits(std::vector<uint64_t>& all, const std::vector<std::pair<uint32_t, uint32_t>>& moves) {
    for (uint64_t& bits : all) {
        uint64_t moved = 0;
        for (const auto& [from, to] : moves) moved |= (bits >> from & 1) << to;
        bits = moved;
    }
}

} // namespace

std::string save_conditions(const ConditionHistory& history, const ControlsView& controls) {
    std::string out;
    if (history.empty()) return out;
    std::vector<SavedComparator> known = comparators_of(controls);
    std::erase_if(known, [&](const SavedComparator& one) {
        return owner(history.owners(), one) == 0 || owner(history.owners(), one) != owner(controls.owners, one);
    });
    for (SavedComparator& one : known) one.since = one.kind != 0 ? history.gate_since(static_cast<int32_t>(one.bit)) : 0;
    const Counts counts{static_cast<uint32_t>(known.size()), static_cast<uint32_t>(history.rules().size()),
                        static_cast<uint32_t>(history.gates().size())};
    append(out, &counts, 1);
    append(out, known.data(), known.size());
    append(out, history.rules().data(), history.rules().size());
    append(out, history.gates().data(), history.gates().size());
    return out;
}

bool load_conditions(std::string_view bytes, uint32_t tokens, uint32_t computed, const ControlsView& controls,
                     ConditionHistory& out) {
    std::array<int32_t, kConditionBits> since{};
    since.fill(static_cast<int32_t>(computed)); // of what was not there
    out.restore({}, {}, controls.owners, since);
    if (bytes.empty()) return true;
    if (bytes.size() < sizeof(Counts)) return false;
    const Counts counts = take<Counts>(bytes, 1)[0];
    if (counts.comparators > 2 * kConditionBits || counts.rules > tokens + 1 || counts.gates > tokens) return false;
    if (bytes.size() != counts.comparators * sizeof(SavedComparator) + (size_t{counts.rules} + counts.gates) * sizeof(uint64_t))
        return false;
    const auto saved = take<SavedComparator>(bytes, counts.comparators);
    std::vector<SavedComparator> here = comparators_of(controls);
    std::vector<std::pair<uint32_t, uint32_t>> rule_moves, gate_moves;
    for (const SavedComparator& one : saved) {
        if (one.kind > 1 || one.bit >= kConditionBits || one.since < 0) return false;
        const auto same = std::find_if(here.begin(), here.end(), [&](const SavedComparator& other) {
            return other.key == one.key && other.kind == one.kind;
        });
        if (same == here.end()) continue;
        (one.kind != 0 ? gate_moves : rule_moves).emplace_back(one.bit, same->bit);
        if (one.kind != 0) since[same->bit] = one.since;
        here.erase(same);
    }
    std::vector<uint64_t> rules = take<uint64_t>(bytes, counts.rules), gates = take<uint64_t>(bytes, counts.gates);
    move_bits(rules, rule_moves);
    move_bits(gates, gate_moves);
    gates.resize(std::min(gates.size(), size_t{computed})); // without the cache they are read again
    out.restore(std::move(rules), std::move(gates), controls.owners, since);
    return true;
}

} // namespace steer
