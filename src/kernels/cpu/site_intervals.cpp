#include "kernels/cpu/site.h"
#include "kernels/cpu/sums.h"

#include <algorithm>

namespace steer {

// Moves x_ so that all pins and bounds of the site hold; false: none acts, or none has to move anything.
bool SiteKernel::hold_intervals(int32_t site, const Token& token) {
    const SiteRow& row = token.row;
    const std::span<const Push> all = row.plan->intervals_at(site);
    intervals_.clear();
    for (size_t i = 0; i < all.size(); i++) {
        const Push& push = all[i];
        if (!token.acts(push)) continue;
        const float share = row.strengths[static_cast<size_t>(push.injection)] * push.scale;
        if (share == 0.0f) continue; // too small for a float
        const double dot = sum_of<double>(hidden_size_, [&](int32_t k) {
            return static_cast<double>(x_[static_cast<size_t>(k)]) * static_cast<double>(push.direction[k]);
        });
        intervals_.push_back({dot / static_cast<double>(push.direction_norm), push.low, push.high, share,
                              static_cast<int32_t>(i), false});
    }
    const size_t count = intervals_.size();
    if (count == 0 || std::all_of(x_.begin(), x_.end(), [](float x) { return x == 0.0f; })) return false;

    const auto factor_size = static_cast<size_t>(packed_size(static_cast<int64_t>(count)));
    solving_.resize(factor_size + 2 * count);
    order_.resize(count);
    double *const factor = solving_.data(), *const rhs = factor + factor_size, *const shifts = rhs + count;
    IntervalSystem system{row.plan->cosines_at(site), intervals_.data(), static_cast<int32_t>(count), factor, rhs, shifts,
                          order_.data(), 0};
    system.solve();
    for (int32_t i = 0; i < system.equations; i++) {
        const Push& push = all[static_cast<size_t>(intervals_[static_cast<size_t>(order_[static_cast<size_t>(i)])].row)];
        const auto step = static_cast<float>(shifts[i] / static_cast<double>(push.direction_norm));
        for (size_t k = 0; k < x_.size(); k++) x_[k] += step * push.direction[k];
    }
    return system.equations > 0;
}

} // namespace steer
