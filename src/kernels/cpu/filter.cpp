#include "kernels/cpu/logit_passes.h"
#include "kernels/cpu/sample.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

struct Weighted {
    float key, weight;
};

struct Scratch {
    std::vector<int32_t> counts; // [vocab size], all 0 between uses
    std::vector<int32_t> ids;
    std::vector<float> values;
    std::vector<Weighted> weighted, edge;
};
thread_local Scratch scratch; // a draw allocates nothing once it is grown

bool in_vocabulary(int32_t id, size_t size) { return id >= 0 && static_cast<size_t>(id) < size; }

void add_biases(std::span<const LogitBias> biases, std::vector<float>& scores) {
    for (const LogitBias& bias : biases)
        if (in_vocabulary(bias.token, scores.size())) scores[static_cast<size_t>(bias.token)] += bias.bias;
}

bool penalises(const SamplingSettings& settings) {
    return settings.penalty_window != 0 &&
           (settings.repeat_penalty != 1.0f || settings.presence_penalty != 0.0f || settings.frequency_penalty != 0.0f);
}

float penalised(float score, float count, const SamplingSettings& settings) {
    if (settings.repeat_penalty != 1.0f)
        score = score < 0.0f ? score * settings.repeat_penalty : score / settings.repeat_penalty;
    if (count > 0.0f) score -= count * settings.frequency_penalty + settings.presence_penalty;
    return score;
}

void penalise(const Draw& draw, std::vector<float>& scores) {
    const SamplingSettings& settings = *draw.settings;
    std::vector<int32_t>& counts = scratch.counts;
    if (counts.size() < scores.size()) counts.resize(scores.size());
    scratch.ids.clear();

    size_t begin = 0;
    if (settings.penalty_window > 0 && draw.tokens.size() > static_cast<size_t>(settings.penalty_window))
        begin = draw.tokens.size() - static_cast<size_t>(settings.penalty_window);
    for (size_t i = begin; i < draw.tokens.size(); i++) {
        const int32_t id = draw.tokens[i];
        if (!in_vocabulary(id, scores.size())) continue;
        int32_t& count = counts[static_cast<size_t>(id)]; // 1 + how often in the reply
        if (count == 0) {
            count = 1;
            scratch.ids.push_back(id);
        }
        count += static_cast<int64_t>(i) >= draw.reply_begin;
    }
    for (const int32_t id : scratch.ids) {
        const auto at = static_cast<size_t>(id);
        scores[at] = penalised(scores[at], static_cast<float>(counts[at] - 1), settings);
        counts[at] = 0;
    }
}

void forbid(std::span<const uint32_t> allowed, std::vector<float>& scores) {
    if (allowed.empty()) return;
    for (size_t begin = 0; begin < scores.size(); begin += 32) {
        const uint32_t bits = begin / 32 < allowed.size() ? allowed[begin / 32] : 0;
        const size_t end = std::min(begin + 32, scores.size());
        if (bits == ~0u) continue;
        for (size_t i = begin; i < end; i++)
            if ((bits >> (i - begin) & 1) == 0) scores[i] = kNever;
    }
}

// The key at which the mass of the largest keys reaches target; -Inf where it never does. top: no key is above it.
// A histogram finds the stretch of 1/64 that holds it; only what lies there is put in order.
float edge_of_mass(const std::vector<Weighted>& all, float top, double target) {
    constexpr int32_t kBins = 1024;
    const auto bin_of = [top](float key) { return static_cast<size_t>(std::min((top - key) * 64.0f, kBins - 1.0f)); };
    double mass[kBins] = {};
    for (const Weighted& item : all) mass[bin_of(item.key)] += static_cast<double>(item.weight);
    size_t bin = 0;
    while (bin + 1 < kBins && mass[bin] < target) target -= mass[bin++];

    std::vector<Weighted>& here = scratch.edge;
    here.clear();
    for (const Weighted& item : all)
        if (bin_of(item.key) == bin) here.push_back(item);
    std::sort(here.begin(), here.end(), [](const Weighted& a, const Weighted& b) { return a.key > b.key; });
    for (const Weighted& item : here)
        if ((target -= static_cast<double>(item.weight)) <= 0.0) return item.key;
    return kNever;
}

void keep_top_k(int32_t k, FilteredLogits& f) {
    if (k > 0) f.keep_from = kth_largest(f.scores, f.block_max, static_cast<size_t>(k), scratch.values);
}

// The mass mostly lies near the top: look there first, and everywhere only where that does not reach.
void keep_top_p(float p, FilteredLogits& f) {
    if (!(p < 1.0f)) return;
    const float max = f.scores[static_cast<size_t>(f.best)];
    const double target = static_cast<double>(p) * exp_sums(f.scores, f.block_max, max, f.keep_from).sum;
    for (const float near : {std::max(f.keep_from, max - 10.0f), f.keep_from}) {
        gather(f.scores, f.block_max, near, scratch.ids);
        scratch.weighted.clear();
        for (const int32_t id : scratch.ids) {
            const float score = f.scores[static_cast<size_t>(id)];
            scratch.weighted.push_back({score, exp_of_negative(score - max)});
        }
        const float edge = edge_of_mass(scratch.weighted, max, target);
        if (edge == kNever) continue; // not reached
        f.keep_from = edge;
        return;
    }
}

void keep_min_p(float p, FilteredLogits& f) {
    if (!(p > 0.0f)) return;
    const float max = f.scores[static_cast<size_t>(f.best)];
    f.keep_from = std::max(f.keep_from, max + std::min(std::log(p), 0.0f));
}

// Locally typical sampling, arXiv 2202.00666. What it keeps is a band of scores, so the rest is struck out.
void keep_typical(float mass, FilteredLogits& f) {
    if (!(mass < 1.0f)) return;
    const float max = f.scores[static_cast<size_t>(f.best)];
    const float from = std::max(f.keep_from, std::numeric_limits<float>::lowest());
    const ExpSums sums = exp_sums(f.scores, f.block_max, max, from);
    const double entropy_below_max = sums.weighted / sums.sum; // mean of score - max: entropy less log(sum), negated
    const auto oddness = [&](int32_t id) {
        const double below = static_cast<double>(f.scores[static_cast<size_t>(id)] - max);
        return static_cast<float>(std::abs(below - entropy_below_max));
    };
    gather(f.scores, f.block_max, from, scratch.ids);
    scratch.weighted.clear();
    for (const int32_t id : scratch.ids)
        scratch.weighted.push_back({-oddness(id), exp_of_negative(f.scores[static_cast<size_t>(id)] - max)});
    const float limit = -edge_of_mass(scratch.weighted, 0.0f, static_cast<double>(mass) * sums.sum);
    for (const int32_t id : scratch.ids)
        if (oddness(id) > limit) f.scores[static_cast<size_t>(id)] = kNever;
    block_maxima(f.scores, f.block_max);
    f.best = largest(f.scores, f.block_max);
}

} // namespace

void filter_logits(const float* logits, const Draw& draw, FilteredLogits& f) {
    const SamplingSettings& settings = *draw.settings;
    f.scores.assign(logits, logits + std::max(draw.vocab_size, 0));
    f.keep_from = kNever;
    add_biases(settings.biases, f.scores);
    if (penalises(settings)) penalise(draw, f.scores);
    forbid(draw.allowed, f.scores);
    block_maxima(f.scores, f.block_max);
    f.best = largest(f.scores, f.block_max);
    if (f.best < 0) return;

    const float max = f.scores[static_cast<size_t>(f.best)], temperature = settings.temperature;
    f.greedy = !(temperature >= std::numeric_limits<float>::min()) || !std::isfinite(max / temperature);
    if (f.greedy) return;
    if (temperature != 1.0f) {
        for (float& score : f.scores) score /= temperature;
        for (float& score : f.block_max) score /= temperature;
    }
    keep_top_k(settings.top_k, f);
    keep_top_p(settings.top_p, f);
    keep_min_p(settings.min_p, f);
    keep_typical(settings.typical_p, f);
}

} // namespace steer
