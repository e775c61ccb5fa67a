#include "kernels/cpu/logit_passes.h"

#include <algorithm>
#include <functional>

namespace steer {
namespace {

// Calls visit(begin, block) for each block of 64; the last is filled up with -Inf.
template<class Visit>
void for_each_block(std::span<const float> x, Visit visit) {
    const size_t whole = x.size() / kLogitBlock * kLogitBlock;
    for (size_t begin = 0; begin < whole; begin += kLogitBlock) visit(begin, x.data() + begin);
    if (whole == x.size()) return;
    float last[kLogitBlock];
    std::fill(std::copy(x.begin() + static_cast<ptrdiff_t>(whole), x.end(), last), last + kLogitBlock, kNever);
    visit(whole, last);
}

// Halves onto each other, until one is left: a fixed order.
template<int32_t n>
float fold_sum(float* x) {
    for (int32_t i = 0; i < n / 2; i++) x[i] += x[i + n / 2];
    if constexpr (n > 2) return fold_sum<n / 2>(x);
    return x[0];
}

template<int32_t n>
float fold_max(float* x) {
    for (int32_t i = 0; i < n / 2; i++) x[i] = x[i] > x[i + n / 2] ? x[i] : x[i + n / 2];
    if constexpr (n > 2) return fold_max<n / 2>(x);
    return x[0];
}

bool is_clean(const float* block) {
    int32_t bad = 0;
    for (int32_t i = 0; i < kLogitBlock; i++) bad |= !(block[i] <= std::numeric_limits<float>::max());
    return bad == 0;
}

float maximum(const float* block) {
    float best[kLogitBlock];
    for (int32_t i = 0; i < kLogitBlock; i++) best[i] = block[i] > kNever ? block[i] : kNever; // NaN goes
    return fold_max<kLogitBlock>(best);
}

void add_block(const float* block, float max, float from, ExpSums& sums) {
    float weight[kLogitBlock], weighted[kLogitBlock];
    for (int32_t i = 0; i < kLogitBlock; i++) {
        const float below = block[i] >= from ? block[i] - max : -87.0f; // finite: 0 x Inf must not be formed
        const float kept = exp_of_negative(below);
        weight[i] = block[i] >= from ? kept : 0.0f;
        weighted[i] = weight[i] * below;
    }
    sums.sum += static_cast<double>(fold_sum<kLogitBlock>(weight));
    sums.weighted += static_cast<double>(fold_sum<kLogitBlock>(weighted));
}

} // namespace

bool block_maxima(std::span<const float> x, std::vector<float>& block_max) {
    block_max.resize((x.size() + kLogitBlock - 1) / kLogitBlock);
    bool clean = true;
    for_each_block(x, [&](size_t begin, const float* block) {
        clean = is_clean(block) && clean;
        block_max[begin / kLogitBlock] = maximum(block);
    });
    return clean;
}

int32_t largest(std::span<const float> x, std::span<const float> block_max) {
    const auto block = std::max_element(block_max.begin(), block_max.end());
    if (block == block_max.end() || *block == kNever) return -1;
    const auto begin = x.begin() + (block - block_max.begin()) * kLogitBlock;
    return static_cast<int32_t>(std::find(begin, x.end(), *block) - x.begin());
}

ExpSums exp_sums(std::span<const float> x, std::span<const float> block_max, float max, float from) {
    ExpSums sums;
    from = std::max(from, max - 87.0f); // e^-87 is nothing beside 1
    for_each_block(x, [&](size_t begin, const float* block) {
        if (block_max[begin / kLogitBlock] >= from) add_block(block, max, from, sums);
    });
    return sums;
}

void gather(std::span<const float> x, std::span<const float> block_max, float from, std::vector<int32_t>& ids) {
    ids.clear();
    for (size_t block = 0; block < block_max.size(); block++) {
        if (block_max[block] < from) continue;
        const size_t end = std::min((block + 1) * kLogitBlock, x.size());
        for (size_t i = block * kLogitBlock; i < end; i++)
            if (x[i] >= from) ids.push_back(static_cast<int32_t>(i));
    }
}

// The k-th largest of the blocks' maxima is not above the k-th largest of all, so few blocks need a second look.
float kth_largest(std::span<const float> x, std::span<const float> block_max, size_t k, std::vector<float>& values) {
    if (k > x.size()) return kNever;
    const auto kth = [&](size_t count) {
        std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(count - 1), values.end(),
                         std::greater<>());
        return values[count - 1];
    };
    values.assign(block_max.begin(), block_max.end());
    const float floor = k <= values.size() ? kth(k) : kNever;

    values.clear();
    for (size_t block = 0; block < block_max.size(); block++) {
        if (block_max[block] < floor) continue;
        const size_t end = std::min((block + 1) * kLogitBlock, x.size());
        for (size_t i = block * kLogitBlock; i < end; i++)
            if (x[i] >= floor) values.push_back(x[i]);
    }
    return k <= values.size() ? kth(k) : kNever;
}

} // namespace steer
