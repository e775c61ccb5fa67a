#include "kernels/cpu/sample.h"

#include "kernels/cpu/kl_budget.h"
#include "kernels/cpu/logit_passes.h"
#include "kernels/cpu/philox.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

struct LogitSummary {
    bool finite = false;
    float max = kNever;
    double log_sum = 0.0, entropy = 0.0; // log of the sum of e^(logit - max)

    float log_prob(float logit) const { return static_cast<float>(static_cast<double>(logit - max) - log_sum); }
};

// finite and max
LogitSummary look_over(std::span<const float> logits, std::vector<float>& block_max) {
    LogitSummary summary;
    const bool clean = block_maxima(logits, block_max);
    for (const float max : block_max) summary.max = std::max(summary.max, max);
    summary.finite = clean && summary.max > kNever;
    return summary;
}

void add_sums(std::span<const float> logits, std::span<const float> block_max, LogitSummary& summary) {
    const ExpSums sums = exp_sums(logits, block_max, summary.max);
    summary.log_sum = std::log(sums.sum);
    summary.entropy = std::max(0.0, summary.log_sum - sums.weighted / sums.sum);
}

// The likeliest, best first, lower ids first among equals.
void likeliest(std::span<const float> logits, std::span<const float> block_max, const LogitSummary& summary,
               int32_t count, std::vector<Candidate>& top) {
    top.clear();
    if (count <= 0) return;
    thread_local std::vector<int32_t> ids;
    thread_local std::vector<float> values;
    gather(logits, block_max, kth_largest(logits, block_max, static_cast<size_t>(count), values), ids);
    const size_t kept = std::min(ids.size(), static_cast<size_t>(count));
    const auto better = [&](int32_t a, int32_t b) {
        const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
        return x > y || (x == y && a < b);
    };
    std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(kept), ids.end(), better);
    for (size_t i = 0; i < kept; i++) top.push_back({ids[i], summary.log_prob(logits[static_cast<size_t>(ids[i])])});
}

// The kept token with the largest score + noise. A token whose bound on that is below the best so far needs no
// logarithm, and a block whose largest score is too low needs no noise at all.
int32_t draw_by_noise(const FilteredLogits& f, uint64_t seed, int32_t position) {
    const float max = f.scores[static_cast<size_t>(f.best)];
    int32_t winner = f.best;
    float most = gumbel(noise_words(seed, position, winner / 4)[static_cast<size_t>(winner % 4)]);

    const auto size = static_cast<int32_t>(f.scores.size());
    const float from = std::max(f.keep_from, std::numeric_limits<float>::lowest()); // -Inf is never kept
    float scores[kLogitBlock]; // less their maximum, where floats are finest
    uint32_t words[kLogitBlock];
    for (int32_t begin = 0; begin < size; begin += kLogitBlock) {
        const float block_max = f.block_max[static_cast<size_t>(begin / kLogitBlock)];
        if (block_max < from || (block_max - max) + kNoiseMax < most) continue;
        const int32_t count = std::min(kLogitBlock, size - begin);
        for (int32_t i = 0; i < kLogitBlock; i += 4) {
            const auto four = noise_words(seed, position, (begin + i) / 4);
            std::copy(four.begin(), four.end(), words + i);
        }
        for (int32_t i = 0; i < count; i++) {
            const float score = f.scores[static_cast<size_t>(begin + i)];
            scores[i] = score >= from ? score - max : kNever;
        }
        std::fill(scores + count, scores + kLogitBlock, kNever);
        int32_t hopes = 0;
        for (int32_t i = 0; i < kLogitBlock; i++) hopes += scores[i] + gumbel_bound(words[i]) >= most;
        for (int32_t i = 0; hopes > 0 && i < kLogitBlock; i++) {
            if (scores[i] + gumbel_bound(words[i]) < most) continue;
            const float noisy = scores[i] + gumbel(words[i]);
            if (noisy > most || (noisy == most && begin + i < winner)) {
                most = noisy;
                winner = begin + i;
            }
        }
    }
    return winner;
}

} // namespace

void draw_token(const float* logits, const float* twin_logits, const Draw& draw, Drawn& drawn) {
    thread_local FilteredLogits filtered;
    thread_local std::vector<float> block_max, twin_max, mixed;
    const auto size = static_cast<size_t>(std::max(draw.vocab_size, 0));
    std::span<const float> row(logits, size);
    drawn = {};
    drawn.finite = false;
    LogitSummary summary = look_over(row, block_max);
    if (!summary.finite) return;
    LogitSummary twin;
    if (twin_logits != nullptr) {
        const std::span<const float> twin_row(twin_logits, size);
        twin = look_over(twin_row, twin_max);
        if (!twin.finite) return;
        add_sums(twin_row, twin_max, twin);
        const KlOutcome limited = limit_kl(row, twin_row, draw.settings->kl_budget, mixed);
        drawn.kl = limited.kl;
        drawn.kl_share = limited.share;
        if (limited.share < 1.0f) {
            row = mixed;
            summary = look_over(row, block_max);
        }
    }
    filter_logits(row.data(), draw, filtered);
    if (filtered.best < 0) return; // all are masked
    add_sums(row, block_max, summary);

    drawn.token = filtered.greedy ? filtered.best : draw_by_noise(filtered, draw.seed, draw.position);
    drawn.finite = true;
    drawn.log_prob = summary.log_prob(row[static_cast<size_t>(drawn.token)]);
    if (twin_logits != nullptr) drawn.twin_log_prob = twin.log_prob(twin_logits[drawn.token]);
    drawn.entropy = static_cast<float>(summary.entropy);
    likeliest(row, block_max, summary, draw.settings->top_log_probs, drawn.top);
}

void score_logits(const float* logits, int32_t vocab_size, const LogitRow& row, Score& score) {
    thread_local std::vector<float> block_max;
    if (row.vocab_size > 0) vocab_size = std::min(vocab_size, row.vocab_size);
    const std::span<const float> all(logits, static_cast<size_t>(std::max(vocab_size, 0)));
    score = {};
    LogitSummary summary = look_over(all, block_max);
    score.finite = summary.finite;
    if (!summary.finite || (row.target < 0 && row.top_count <= 0)) return;
    add_sums(all, block_max, summary);
    if (row.target >= 0)
        score.target_log_prob = row.target < vocab_size ? summary.log_prob(logits[row.target]) : kNever;
    likeliest(all, block_max, summary, row.top_count, score.top);
}

} // namespace steer
