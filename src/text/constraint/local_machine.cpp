#include "text/constraint/local_machine.h"

#include <algorithm>

namespace steer::constraint {
namespace {

std::string spell_out(const Level& top) {
    std::string out;
    const auto put = [&](uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    for (const Level* level = &top; level != nullptr; level = level->below.get())
        for (const uint32_t value : {level->node, level->count, level->limits.min, level->limits.max, level->depth})
            put(value);
    return out;
}

std::string spell_out(const Places& places) {
    std::vector<std::string> tops;
    for (const Level& top : places.tops) tops.push_back(spell_out(top));
    std::sort(tops.begin(), tops.end());
    std::string out;
    for (const std::string& top : tops) out += top + std::string(4, '\xff'); // no node has this number
    std::vector<uint32_t> ended = places.ended;
    std::sort(ended.begin(), ended.end());
    out.append(reinterpret_cast<const char*>(ended.data()), ended.size() * sizeof(uint32_t));
    return out;
}

} // namespace

uint32_t LocalMachine::enter(NodeId node, uint32_t depth) {
    if (table_.size() > kTableMax) forget();
    Places places(*grammar_);
    places.start({.node = node, .depth = depth}, nullptr);
    return keep(std::move(places));
}

uint32_t LocalMachine::find_next(uint32_t state, uint8_t byte) {
    Places places(*grammar_);
    places.advance(states_[state], byte, nullptr);
    const uint32_t found = places.dead() ? kDead : keep(std::move(places));
    table_[state * grammar_->byte_class_count() + grammar_->byte_class(byte)] = found;
    return found;
}

uint32_t LocalMachine::keep(Places places) {
    std::string contents = spell_out(places);
    if (const auto found = by_contents_.find(contents); found != by_contents_.end()) return found->second;
    if (states_.size() == states_.capacity()) states_.reserve(states_.size() * 2 + 16); // what comes last cannot fail
    const auto number = static_cast<uint32_t>(states_.size());
    const size_t begin = marks_of_states_.size();
    for (const Level& top : places.tops) {
        const uint32_t mark = mark_of(top);
        const auto own = marks_of_states_.begin() + static_cast<ptrdiff_t>(begin);
        if (std::find(own, marks_of_states_.end(), mark) == marks_of_states_.end()) marks_of_states_.push_back(mark);
    }
    table_.resize((states_.size() + 1) * grammar_->byte_class_count(), kUnknown);
    summaries_.resize(number);
    summaries_.push_back(
        {static_cast<uint32_t>(begin), static_cast<uint16_t>(marks_of_states_.size() - begin), !places.ended.empty()});
    by_contents_.emplace(std::move(contents), number);
    states_.push_back(std::move(places));
    return number;
}

void LocalMachine::forget() {
    states_.clear();
    summaries_.clear();
    marks_of_states_.clear();
    table_.clear();
    by_contents_.clear();
    marks_.clear();
}

uint32_t LocalMachine::mark_of(const Level& top) {
    const Level* entered = &top;
    while (entered->below) entered = entered->below.get();
    Mark mark{add_costs(costs_->of_level(top), costs_->below(top)), entered->count};
    if (entered != &top && name_may_end(*grammar_, top.node)) mark.cost += kSpareForName; // it might be taken
    const auto number = static_cast<uint32_t>(std::find(marks_.begin(), marks_.end(), mark) - marks_.begin());
    if (number == marks_.size()) marks_.push_back(mark);
    return number;
}

} // namespace steer::constraint
