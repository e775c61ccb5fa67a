#include "text/constraint/walks.h"

#include <algorithm>
#include <utility>

namespace steer::constraint {
namespace {

size_t words(int32_t vocabulary_size) { return (static_cast<size_t>(vocabulary_size) + 31) / 32; }

} // namespace

uint32_t NodeSets::number_of(std::vector<uint32_t> nodes) {
    if (sets_.size() == sets_.capacity()) sets_.reserve(sets_.size() * 2 + 16); // so that what comes last cannot fail
    const auto [found, fresh] = numbers_.try_emplace(std::move(nodes), static_cast<uint32_t>(sets_.size()));
    if (fresh) {
        sets_.push_back(&found->first);
        size_ += found->first.size() + 32;
    }
    return found->second;
}

NodeSets::NodeSets() {
    number_of({Vocabulary::kRoot});
    number_of({});
}

TokenSet::TokenSet(std::vector<uint32_t> tokens, int32_t vocabulary_size) {
    if (tokens.size() < words(vocabulary_size)) {
        list_ = std::move(tokens);
        list_.shrink_to_fit();
        return;
    }
    bits_.assign(words(vocabulary_size), 0);
    for (const uint32_t token : tokens) bits_[token / 32] |= 1u << token % 32;
}

TokenSet::TokenSet(const TokenSet& a, const TokenSet& b, int32_t vocabulary_size) {
    if (a.bits_.empty() && b.bits_.empty()) {
        list_ = a.list_;
        list_.insert(list_.end(), b.list_.begin(), b.list_.end());
        if (list_.size() >= words(vocabulary_size)) *this = TokenSet(std::move(list_), vocabulary_size);
        return;
    }
    bits_.assign(words(vocabulary_size), 0);
    a.add_to(bits_);
    b.add_to(bits_);
}

void TokenSet::add_to(Bits& bits) const {
    for (const uint32_t token : list_) bits[token / 32] |= 1u << token % 32;
    for (size_t i = 0; i < bits_.size(); i++) bits[i] |= bits_[i];
}

void Walk::Range::add(uint32_t value) {
    min = std::min(min, value);
    max = std::max(max, value);
}

class Walk::Collector {
  public:
    Collector(LocalMachine& machine, const Vocabulary& vocabulary) : machine_(machine), vocabulary_(vocabulary) {}

    void walk_from(uint32_t node, uint32_t state) {
        if (node != Vocabulary::kRoot) note(node, state);
        if (!machine_.goes_on(state)) return;
        const uint32_t depth = vocabulary_.node(node).depth, end = vocabulary_.node(node).end;
        path_.assign(1, state);
        for (uint32_t at = node + 1; at < end;) {
            const Vocabulary::Node& here = vocabulary_.node(at);
            path_.resize(here.depth - depth);
            const uint32_t next = machine_.next(path_.back(), here.byte);
            if (next == LocalMachine::kDead) {
                at = here.end;
                continue;
            }
            note(at, next);
            path_.push_back(next);
            at = machine_.goes_on(next) ? at + 1 : here.end;
        }
    }

    std::vector<std::vector<uint32_t>> tokens; // by mark
    std::vector<Exit> exits;

  private:
    void note(uint32_t node, uint32_t state) {
        if (machine_.has_ended(state))
            for (const uint32_t count : machine_.ended(state)) exits.push_back({node, count});
        const std::span<const uint32_t> here = vocabulary_.tokens(node);
        if (here.empty()) return;
        for (const uint32_t mark : machine_.marks(state)) {
            if (tokens.size() <= mark) tokens.resize(machine_.mark_count());
            for (const uint32_t token : here) tokens[mark].push_back(token);
        }
    }

    LocalMachine& machine_;
    const Vocabulary& vocabulary_;
    std::vector<uint32_t> path_; // states by depth
};

Walk::Walk(LocalMachine& machine, uint32_t state, const Vocabulary& vocabulary, uint32_t set, NodeSets& sets) {
    Collector found(machine, vocabulary);
    for (const uint32_t node : sets.nodes(set)) found.walk_from(node, state);

    for (uint32_t mark = 0; mark < found.tokens.size(); mark++) {
        if (found.tokens[mark].empty()) continue;
        groups_.push_back({machine.mark(mark), TokenSet(std::move(found.tokens[mark]), vocabulary.size())});
        cost_max_ = std::max(cost_max_, groups_.back().mark.cost);
        counts_.add(groups_.back().mark.count);
    }
    if (groups_.size() > 1) all_ = TokenSet(groups_[0].tokens, groups_[1].tokens, vocabulary.size());
    for (size_t i = 2; i < groups_.size(); i++) all_ = TokenSet(all_, groups_[i].tokens, vocabulary.size());

    exits_ = std::move(found.exits);
    std::sort(exits_.begin(), exits_.end());
    exits_.erase(std::unique(exits_.begin(), exits_.end()), exits_.end());
    for (const Exit& exit : exits_) exit_counts_.add(exit.count);
    if (!exits_.empty()) all_exits_ = exits({UINT32_MAX, 0, 0}, sets);
}

void Walk::add_tokens(const Bounds& bounds, Bits& bits) const {
    const auto cost = [&](const Mark& mark) {
        return int64_t{mark.cost} + (bounds.need > mark.count ? bounds.need - mark.count : 0);
    };
    if (groups_.empty()) return;
    if (groups_.size() > 1 && counts_.max <= bounds.room && cost({cost_max_, counts_.min}) <= bounds.tokens)
        return all_.add_to(bits);
    for (const Group& group : groups_)
        if (group.mark.count <= bounds.room && cost(group.mark) <= bounds.tokens) group.tokens.add_to(bits);
}

uint32_t Walk::exits(const Bounds& bounds, NodeSets& sets) const {
    if (exits_.empty()) return NodeSets::kEmpty;
    if (all_exits_ != NodeSets::kEmpty && exit_counts_.max <= bounds.room && exit_counts_.min >= bounds.need)
        return all_exits_;
    std::vector<uint32_t> nodes;
    for (const Exit& exit : exits_)
        if (exit.count <= bounds.room && exit.count >= bounds.need && (nodes.empty() || nodes.back() != exit.node))
            nodes.push_back(exit.node);
    return sets.number_of(std::move(nodes));
}

size_t Walk::bytes() const {
    size_t bytes = sizeof *this + all_.bytes() + exits_.size() * sizeof(Exit);
    for (const Group& group : groups_) bytes += sizeof group + group.tokens.bytes();
    return bytes;
}

const Walk& Walks::get(NodeId node, uint32_t depth, uint32_t set, NodeSets& sets) {
    const uint64_t key = uint64_t{set} << 32 | uint64_t{node} << 7 | depth; // depth < 128, nodes < 2^25
    if (const auto found = walks_.find(key); found != walks_.end()) return *found->second;
    if (bytes_ > kBytesMax) clear();
    const uint32_t state = machine_.enter(node, depth);
    auto walk = std::make_unique<const Walk>(machine_, state, *vocabulary_, set, sets);
    const Walk& kept = *walks_.emplace(key, std::move(walk)).first->second;
    bytes_ += kept.bytes() + 64;
    return kept;
}

void Walks::clear() {
    walks_.clear();
    bytes_ = 0;
}

} // namespace steer::constraint
