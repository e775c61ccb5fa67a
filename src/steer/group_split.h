// Which contrast pairs make the rows and which are held out for the report: whole groups (topics), all of which count alike
// however many pairs each has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace steer {

class GroupSplit {
  public:
    // groups: one id per pair. holdout: share of the groups that is held out, 0 to 0.9; at least one is kept on either side.
    GroupSplit(const std::vector<uint64_t>& groups, float holdout, uint64_t seed);

    // Indices of pairs: those the rows are made of, then those held out. What follows speaks of positions in it.
    const std::vector<uint32_t>& order() const { return order_; }
    size_t size() const { return order_.size(); }
    size_t train_pairs() const { return train_pairs_; }
    size_t holdout_pairs() const { return order_.size() - train_pairs_; }
    size_t train_groups() const { return train_groups_; }
    size_t holdout_groups() const { return groups_.size() - train_groups_; }

    bool held_out(size_t at) const { return at >= train_pairs_; }
    int half(size_t at) const { return group(at).half; } // 0 or 1: whole groups too
    double weight(size_t at) const; // sums to one over the pairs for the rows, and over those held out

  private:
    struct Group {
        uint32_t pairs = 0;
        bool held_out = false;
        int half = 0;
    };
    const Group& group(size_t at) const { return groups_[group_of_[order_[at]]]; }
    void count_pairs(const std::vector<uint64_t>& ids);
    void hold_out(int64_t count, uint64_t seed);

    std::vector<uint32_t> order_, group_of_; // group_of_: pair -> index into groups_
    std::vector<Group> groups_;
    size_t train_pairs_ = 0, train_groups_ = 0;
};

} // namespace steer
