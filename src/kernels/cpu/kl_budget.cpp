#include "kernels/cpu/kl_budget.h"

#include "kernels/cpu/logit_passes.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr float kFloor = -1e4f;       // in the place of -Inf: no probability either, and differences stay numbers
constexpr int32_t kRounds = 24;       // Newton needs three or four; the rest is for the odd shape, halving
constexpr double kClose = 1e-4;       // of the budget, left unused

struct Pair { // two rows of logits, each less its maximum
    std::span<const float> steered, twin;
    float steered_max, twin_max;

    float p(size_t i) const { return std::max(steered[i] - steered_max, kFloor); }
    float q(size_t i) const { return std::max(twin[i] - twin_max, kFloor); }
    float between(size_t i, float share) const { return (1.0f - share) * q(i) + share * p(i); }
};

struct Moments { // of d = p - q under p_l
    double log_sum, mean, variance;
};

float largest_between(const Pair& pair, float share) {
    if (share == 0.0f || share == 1.0f) return 0.0f; // at both ends it is a row less its own maximum
    float lanes[kLogitBlock];
    std::fill(lanes, lanes + kLogitBlock, kNever);
    const size_t size = pair.steered.size(), whole = size / kLogitBlock * kLogitBlock;
    for (size_t begin = 0; begin < whole; begin += kLogitBlock)
        for (size_t i = 0; i < kLogitBlock; i++) lanes[i] = std::max(lanes[i], pair.between(begin + i, share));
    for (size_t i = whole; i < size; i++) lanes[0] = std::max(lanes[0], pair.between(i, share));
    return *std::max_element(lanes, lanes + kLogitBlock);
}

Moments moments(const Pair& pair, float share) {
    const float max = largest_between(pair, share);
    double sum = 0.0, first = 0.0, second = 0.0;
    const auto add = [&](size_t begin, size_t count) {
        float weights[kLogitBlock] = {}, weighted[kLogitBlock] = {}, squares[kLogitBlock] = {};
        for (size_t i = 0; i < count; i++) {
            const float d = pair.p(begin + i) - pair.q(begin + i);
            weights[i] = exp_of_negative(pair.between(begin + i, share) - max);
            weighted[i] = weights[i] * d;
            squares[i] = weighted[i] * d;
        }
        float a = 0.0f, b = 0.0f, c = 0.0f;
        for (size_t i = 0; i < kLogitBlock; i++) a += weights[i], b += weighted[i], c += squares[i];
        sum += static_cast<double>(a), first += static_cast<double>(b), second += static_cast<double>(c);
    };
    const size_t size = pair.steered.size(), whole = size / kLogitBlock * kLogitBlock;
    for (size_t begin = 0; begin < whole; begin += kLogitBlock) add(begin, kLogitBlock);
    add(whole, size - whole);
    const double mean = first / sum;
    return {std::log(sum) + static_cast<double>(max), mean, std::max(0.0, second / sum - mean * mean)};
}

// log p_l - log q = l d - A(l) + A(0), A being the log of the sum.
double divergence(const Moments& at, double share, double twin_log_sum) {
    return std::max(0.0, share * at.mean - at.log_sum + twin_log_sum);
}

} // namespace

KlOutcome limit_kl(std::span<const float> steered, std::span<const float> twin, float budget, std::vector<float>& mixed) {
    const Pair pair{steered, twin, *std::max_element(steered.begin(), steered.end()), *std::max_element(twin.begin(), twin.end())};
    const double twin_log_sum = moments(pair, 0.0f).log_sum;
    const double whole = divergence(moments(pair, 1.0f), 1.0, twin_log_sum);
    if (!(whole > static_cast<double>(budget))) return {static_cast<float>(whole), 1.0f};

    double low = 0.0, high = 1.0, low_kl = 0.0;
    double share = std::sqrt(static_cast<double>(budget) / whole); // near 0 the divergence is a square
    for (int32_t round = 0; round < kRounds && low_kl < static_cast<double>(budget) * (1.0 - kClose); round++) {
        if (!(share > low && share < high)) share = 0.5 * (low + high);
        share = static_cast<double>(static_cast<float>(share)); // what is drawn from has a float's share
        const Moments at = moments(pair, static_cast<float>(share));
        const double kl = divergence(at, share, twin_log_sum);
        if (kl <= static_cast<double>(budget)) low = share, low_kl = kl;
        else high = share;
        const double aim = static_cast<double>(budget) * (1.0 - 0.5 * kClose); // below: the answer must not be above
        share += (aim - kl) / std::max(share * at.variance, 1e-30);
    }
    mixed.resize(steered.size());
    for (size_t i = 0; i < mixed.size(); i++) mixed[i] = pair.between(i, static_cast<float>(low));
    return {static_cast<float>(low_kl), static_cast<float>(low)};
}

} // namespace steer
