#include "steer/group_split.h"

#include "files/error.h"
#include "steer/split_mix.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace steer {

GroupSplit::GroupSplit(const std::vector<uint64_t>& groups, float holdout, uint64_t seed) {
    if (!(holdout >= 0.0f && holdout <= 0.9f))
        fail(STEER_ERR_ARG, "extract: holdout is {}, 0 to 0.9 is possible", holdout);
    if (groups.empty()) fail(STEER_ERR_ARG, "extract: no pairs given");
    count_pairs(groups);
    const auto count = static_cast<int64_t>(groups_.size());
    const int64_t wanted = std::lround(double{holdout} * static_cast<double>(count));
    hold_out(holdout > 0.0f && count > 1 ? std::clamp<int64_t>(wanted, 1, count - 1) : 0, seed);
    for (const bool held : {false, true})
        for (uint32_t pair = 0; pair < groups.size(); ++pair)
            if (groups_[group_of_[pair]].held_out == held) order_.push_back(pair);
    for (const Group& group : groups_) {
        train_groups_ += group.held_out ? 0 : 1;
        train_pairs_ += group.held_out ? 0 : group.pairs;
    }
}

void GroupSplit::count_pairs(const std::vector<uint64_t>& ids) {
    std::unordered_map<uint64_t, uint32_t> index;
    for (const uint64_t id : ids) {
        const auto group = index.emplace(id, static_cast<uint32_t>(groups_.size())).first->second;
        if (group == groups_.size()) groups_.emplace_back();
        ++groups_[group].pairs;
        group_of_.push_back(group);
    }
}

// Shuffles the groups; the first are held out, the others belong to the two halves in turn.
void GroupSplit::hold_out(int64_t count, uint64_t seed) {
    std::vector<uint32_t> shuffled(groups_.size());
    std::iota(shuffled.begin(), shuffled.end(), 0u);
    for (size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[next_random(seed) % i]);
    for (size_t i = 0; i < shuffled.size(); ++i) {
        groups_[shuffled[i]].held_out = static_cast<int64_t>(i) < count;
        groups_[shuffled[i]].half = static_cast<int>(i % 2);
    }
}

double GroupSplit::weight(size_t at) const {
    const size_t groups = held_out(at) ? holdout_groups() : train_groups();
    return 1.0 / (static_cast<double>(groups) * group(at).pairs);
}

} // namespace steer
