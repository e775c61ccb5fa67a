// Thompson's construction and the subset construction, with a budget for both.
#include "text/constraint/pattern.h"

#include "files/error.h"

#include <algorithm>
#include <map>
#include <utility>

namespace steer::constraint {
namespace {

constexpr size_t kNfaMax = 16'000, kDfaMax = 4000, kWorkMax = 40'000'000;

[[noreturn]] void refuse_size(const std::string& where) {
    fail(STEER_ERR_UNSUPPORTED,
         "constraint_text: {}/pattern: too large: more than {} states or too much work to find them", where, kDfaMax);
}

struct Nfa {
    enum Condition : uint8_t { always, at_begin, at_end };
    struct Move {
        uint32_t to;
        Condition condition;
    };
    struct State {
        std::vector<Move> moves;
        const CodeSet* set = nullptr;
        uint32_t to = 0; // with a character of set
    };
    std::vector<State> states;
    const std::string& where;
    size_t built = 0; // parts, for repetitions of what reads nothing make no states

    uint32_t add() {
        if (states.size() >= kNfaMax) refuse_size(where);
        states.emplace_back();
        return static_cast<uint32_t>(states.size() - 1);
    }
    void move(uint32_t from, uint32_t to, Condition condition = always) {
        states[from].moves.push_back({to, condition});
    }

    uint32_t build(const Regex& regex, uint32_t from); // where it ends
};

uint32_t Nfa::build(const Regex& regex, uint32_t from) {
    if (++built > kNfaMax * 4) refuse_size(where);
    switch (regex.kind) {
    case Regex::characters:
    case Regex::begin:
    case Regex::end: {
        const uint32_t to = add();
        if (regex.kind != Regex::characters) {
            move(from, to, regex.kind == Regex::begin ? at_begin : at_end);
            return to;
        }
        const uint32_t own = add();
        move(from, own);
        states[own].set = &regex.set;
        states[own].to = to;
        return to;
    }
    case Regex::sequence:
        for (const RegexPtr& part : regex.parts) from = build(*part, from);
        return from;
    case Regex::alternatives: {
        const uint32_t to = add();
        for (const RegexPtr& part : regex.parts) {
            const uint32_t begin = add();
            move(from, begin);
            move(build(*part, begin), to);
        }
        return to;
    }
    case Regex::repeat: {
        for (uint32_t i = 0; i < regex.min; i++) from = build(*regex.parts[0], from);
        const uint32_t to = add();
        if (regex.max == UINT32_MAX) {
            const uint32_t again = add();
            move(from, again);
            move(build(*regex.parts[0], again), again);
            move(again, to);
            return to;
        }
        for (uint32_t i = regex.min; i < regex.max; i++) {
            move(from, to);
            from = build(*regex.parts[0], from);
        }
        move(from, to);
        return to;
    }
    }
    return from;
}

using States = std::vector<uint32_t>; // of the NFA, in order

class Determiniser {
  public:
    Determiniser(const Regex& regex, const std::string& where) : nfa_{{}, where, 0}, any_(CodeSet().complement()) {
        const uint32_t before = nfa_.add(), begin = nfa_.add(); // any text may come before
        nfa_.states[before].set = &any_;
        nfa_.states[before].to = before;
        nfa_.move(before, begin);
        found_ = nfa_.build(regex, begin);
        find_intervals();
    }

    Dfa make() {
        // The start is apart from all others: only there may a ^ be passed.
        add_state(close({0}, true, false), close({0}, true, true));
        for (uint32_t state = 0; state < dfa_.states.size(); state++) {
            const States here = sets_[state];
            for (const CodeRange& interval : intervals_) {
                States moved;
                for (const uint32_t one : here) {
                    if (one == found_) moved.push_back(found_); // any text may come behind
                    const CodeSet* const set = nfa_.states[one].set;
                    if (set != nullptr && set->contains(interval.first)) moved.push_back(nfa_.states[one].to);
                }
                spend(here.size() * 4);
                if (moved.empty()) continue;
                add_edge(state, interval, find_state(moved));
            }
        }
        return std::move(dfa_);
    }

  private:
    // Characters that no set of the pattern tells apart.
    void find_intervals() {
        std::vector<uint32_t> begins{0, 0xD800, 0xE000, kLastCodePoint + 1};
        for (const Nfa::State& state : nfa_.states)
            if (state.set != nullptr)
                for (const CodeRange& range : state.set->ranges()) {
                    begins.push_back(range.first);
                    begins.push_back(range.last + 1);
                }
        std::sort(begins.begin(), begins.end());
        begins.erase(std::unique(begins.begin(), begins.end()), begins.end());
        for (size_t i = 0; i + 1 < begins.size(); i++)
            if (begins[i] < 0xD800 || begins[i] >= 0xE000) intervals_.push_back({begins[i], begins[i + 1] - 1});
    }

    States close(States states, bool at_begin, bool at_end) {
        seen_.assign(nfa_.states.size(), 0);
        States all;
        for (const uint32_t state : states)
            if (!std::exchange(seen_[state], 1)) all.push_back(state);
        for (size_t i = 0; i < all.size(); i++)
            for (const Nfa::Move& move : nfa_.states[all[i]].moves) {
                if (move.condition == Nfa::at_begin && !at_begin) continue;
                if (move.condition == Nfa::at_end && !at_end) continue;
                if (!std::exchange(seen_[move.to], 1)) all.push_back(move.to);
            }
        spend(nfa_.states.size() / 8 + all.size());
        if (seen_[found_] != 0) all.assign(1, found_); // whatever comes now, it was found
        std::sort(all.begin(), all.end());
        return all;
    }

    uint32_t find_state(const States& moved) {
        States states = close(moved, false, false);
        const auto [found, fresh] = numbers_.try_emplace(states, static_cast<uint32_t>(dfa_.states.size()));
        if (fresh) add_state(std::move(states), close(moved, false, true));
        return found->second;
    }

    void add_state(States states, const States& at_end) {
        if (dfa_.states.size() >= kDfaMax) refuse_size(nfa_.where);
        sets_.push_back(std::move(states));
        dfa_.states.push_back({{}, std::binary_search(at_end.begin(), at_end.end(), found_)});
    }

    void add_edge(uint32_t from, const CodeRange& characters, uint32_t to) {
        auto& edges = dfa_.states[from].edges;
        if (!edges.empty() && edges.back().to == to && edges.back().last + 1 == characters.first)
            edges.back().last = characters.last;
        else
            edges.push_back({characters.first, characters.last, to});
    }

    void spend(size_t work) {
        work_ += work;
        if (work_ > kWorkMax) refuse_size(nfa_.where);
    }

    Nfa nfa_;
    CodeSet any_;
    uint32_t found_ = 0;
    std::vector<CodeRange> intervals_;
    std::map<States, uint32_t> numbers_;
    std::vector<States> sets_; // by state of the DFA
    std::vector<char> seen_;
    size_t work_ = 0;
    Dfa dfa_;
};

// Only edges to states from which something is accepted; only states that are reached.
Dfa trim(const Dfa& dfa) {
    std::vector<std::vector<uint32_t>> from(dfa.states.size());
    std::vector<bool> useful(dfa.states.size());
    std::vector<uint32_t> open;
    for (uint32_t state = 0; state < dfa.states.size(); state++) {
        for (const Dfa::Edge& edge : dfa.states[state].edges) from[edge.to].push_back(state);
        if (dfa.states[state].accepts) useful[state] = true, open.push_back(state);
    }
    while (!open.empty()) {
        const uint32_t state = open.back();
        open.pop_back();
        for (const uint32_t before : from[state])
            if (!useful[before]) useful[before] = true, open.push_back(before);
    }
    Dfa out;
    std::vector<uint32_t> numbers(dfa.states.size(), UINT32_MAX), order{0};
    numbers[0] = 0;
    for (size_t i = 0; i < order.size(); i++) {
        Dfa::State state{{}, dfa.states[order[i]].accepts};
        for (Dfa::Edge edge : dfa.states[order[i]].edges) {
            if (!useful[edge.to]) continue;
            if (numbers[edge.to] == UINT32_MAX) {
                numbers[edge.to] = static_cast<uint32_t>(order.size());
                order.push_back(edge.to);
            }
            edge.to = numbers[edge.to];
            state.edges.push_back(edge);
        }
        out.states.push_back(std::move(state));
    }
    return out;
}

} // namespace

Dfa compile_pattern(const Regex& regex, const std::string& where) { return trim(Determiniser(regex, where).make()); }

Dfa limit_length(const Dfa& dfa, const Limits& limits, const std::string& where) {
    const uint32_t counted =
        limits.max == UINT32_MAX ? limits.min : limits.max; // beyond it nothing changes, or nothing is
    Dfa out;
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> numbers; // (state, characters) -> state
    std::vector<std::pair<uint32_t, uint32_t>> order;
    const auto number_of = [&](uint32_t state, uint32_t count) {
        const auto [found, fresh] = numbers.try_emplace({state, count}, static_cast<uint32_t>(order.size()));
        if (fresh) order.emplace_back(state, count);
        if (order.size() > kDfaMax * 8) refuse_size(where);
        return found->second;
    };
    number_of(0, 0);
    for (size_t i = 0; i < order.size(); i++) {
        const auto [state, count] = order[i];
        Dfa::State made{{}, dfa.states[state].accepts && count >= limits.min};
        if (count < limits.max)
            for (const Dfa::Edge& edge : dfa.states[state].edges)
                made.edges.push_back({edge.first, edge.last, number_of(edge.to, std::min(count + 1, counted))});
        out.states.push_back(std::move(made));
    }
    return trim(out);
}

} // namespace steer::constraint
