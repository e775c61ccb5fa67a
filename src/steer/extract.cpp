#include "steer/extract.h"

#include "files/error.h"

#include <Eigen/Core>

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace steer {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

using Rows = Eigen::MatrixXd; // [hidden_size, layers]: a column per layer

// splitmix64 (Steele, Lea, Flood 2014): the same choice of groups on every machine.
uint64_t next_random(uint64_t& state) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

struct Group {
    uint32_t pairs = 0;
    bool held_out = false;
    int half = 0; // of the training groups
};

// Projections of held-out states on one layer's unit row, and the moments of the states themselves.
struct HeldOut {
    std::vector<double> positive, negative; // by pair
    Eigen::VectorXd origin, sum;            // of (state - origin); the first state as origin keeps the variance exact
    double square = 0.0;                    // sum of |state - origin|^2

    void add(const Eigen::VectorXd& state) {
        if (origin.size() == 0) origin = state, sum = Eigen::VectorXd::Zero(state.size());
        sum += state - origin;
        square += (state - origin).squaredNorm();
    }
};

struct Moments {
    double mean = kNoValue, variance = kNoValue; // sample variance
};

Moments moments(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    if (values.empty()) return {};
    Moments out;
    out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double square = 0.0;
    for (const double value : values) square += (value - out.mean) * (value - out.mean);
    if (values.size() > 1) out.variance = square / (n - 1.0);
    return out;
}

double separation_of(const HeldOut& held) {
    const Moments p = moments(held.positive), n = moments(held.negative);
    const double spread = std::sqrt((p.variance + n.variance) / 2.0);
    return spread > 0.0 ? (p.mean - n.mean) / spread : kNoValue;
}

double explained_variance_of(const HeldOut& held) {
    std::vector<double> all = held.positive;
    all.insert(all.end(), held.negative.begin(), held.negative.end());
    const auto count = static_cast<double>(all.size());
    const double total = held.square - held.sum.squaredNorm() / count;
    return total > 0.0 ? moments(all).variance * (count - 1.0) / total : kNoValue;
}

} // namespace

struct MeanDifference::State {
    MeanDifferenceOptions options;
    std::vector<uint32_t> order;    // of pairs
    std::vector<uint32_t> group_of; // pair -> index into groups
    std::vector<Group> groups;
    uint32_t train_pairs = 0, train_groups = 0;
    size_t added = 0;
    Rows halves[2];                // weighted sums of differences; together the row
    Rows units;                    // of the finished rows, from the first held-out pair on
    std::vector<HeldOut> held_out; // per layer

    size_t layers() const { return static_cast<size_t>(options.layer_end - options.layer_begin); }
    size_t hidden() const { return static_cast<size_t>(options.hidden_size); }

    void choose_groups(const std::vector<uint64_t>& ids);
    void make_units(Rows& rows_out) const;
    Eigen::VectorXd state_of(std::span<const float> states, size_t layer) const;
    double balanced_mean(const std::vector<double>& by_pair) const;
    void report(size_t layer, MeanDifferenceResult& result) const;
};

// Shuffles the groups; the first share is held out, the others belong to the two halves in turn.
void MeanDifference::State::choose_groups(const std::vector<uint64_t>& ids) {
    std::unordered_map<uint64_t, uint32_t> index;
    for (const uint64_t id : ids) {
        const auto group = index.emplace(id, static_cast<uint32_t>(groups.size())).first->second;
        if (group == groups.size()) groups.emplace_back();
        ++groups[group].pairs;
        group_of.push_back(group);
    }
    std::vector<uint32_t> shuffled(groups.size());
    std::iota(shuffled.begin(), shuffled.end(), 0u);
    uint64_t random = options.seed;
    for (size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[next_random(random) % i]);

    const auto count = static_cast<int64_t>(groups.size());
    int64_t held = std::lround(double{options.holdout} * static_cast<double>(count));
    held = options.holdout > 0.0f && count > 1 ? std::clamp<int64_t>(held, 1, count - 1) : 0;
    for (int64_t i = 0; i < count; ++i) {
        Group& group = groups[shuffled[static_cast<size_t>(i)]];
        group.held_out = i < held;
        group.half = static_cast<int>(i % 2);
    }
    train_groups = static_cast<uint32_t>(count - held);
    for (const bool second : {false, true})
        for (uint32_t pair = 0; pair < ids.size(); ++pair)
            if (groups[group_of[pair]].held_out == second) order.push_back(pair);
    for (const Group& group : groups) train_pairs += group.held_out ? 0 : group.pairs;
}

Eigen::VectorXd MeanDifference::State::state_of(std::span<const float> states, size_t layer) const {
    const Eigen::Map<const Eigen::VectorXf> state(states.data() + layer * hidden(), options.hidden_size);
    if (!state.allFinite())
        fail(STEER_ERR_NUMERIC, "extract: the model gave states that are not finite at layer {}",
             options.layer_begin + static_cast<int32_t>(layer));
    return state.cast<double>();
}

void MeanDifference::State::make_units(Rows& out) const {
    out = halves[0] + halves[1];
    for (Eigen::Index layer = 0; layer < out.cols(); ++layer) {
        const double norm = out.col(layer).norm();
        if (!(norm > 0.0))
            fail(STEER_ERR_ARG,
                 "extract: both voices give the same states at layer {}: do the pairs differ where they "
                 "are pooled?",
                 options.layer_begin + static_cast<int32_t>(layer));
        out.col(layer) /= norm;
    }
}

MeanDifference::MeanDifference(const MeanDifferenceOptions& options, const std::vector<uint64_t>& groups)
    : state_(std::make_unique<State>()) {
    if (options.layer_begin < 0 || options.layer_begin >= options.layer_end || options.layer_end > options.layer_count)
        fail(STEER_ERR_ARG, "extract: layers {} to {} (end not included) of a model that has {}", options.layer_begin,
             options.layer_end, options.layer_count);
    if (options.hidden_size < 1) fail(STEER_ERR_ARG, "extract: a hidden size of {}", options.hidden_size);
    if (!(options.holdout >= 0.0f && options.holdout <= 0.9f))
        fail(STEER_ERR_ARG, "extract: holdout is {}, 0 to 0.9 is possible", options.holdout);
    if (groups.empty()) fail(STEER_ERR_ARG, "extract: no pairs given");
    state_->options = options;
    state_->choose_groups(groups);
    for (Rows& half : state_->halves)
        half = Rows::Zero(options.hidden_size, static_cast<Eigen::Index>(state_->layers()));
    state_->held_out.resize(state_->layers());
}

MeanDifference::~MeanDifference() = default;

const std::vector<uint32_t>& MeanDifference::order() const { return state_->order; }

void MeanDifference::add(std::span<const float> positive, std::span<const float> negative) {
    State& s = *state_;
    const size_t size = s.layers() * s.hidden();
    if (positive.size() != size || negative.size() != size)
        fail(STEER_ERR_ARG, "extract: a pair's states have {} and {} numbers, {} are needed", positive.size(),
             negative.size(), size);
    if (s.added == s.order.size()) fail(STEER_ERR_STATE, "extract: all {} pairs were added already", s.added);
    const Group& group = s.groups[s.group_of[s.order[s.added]]];
    if (group.held_out && s.units.size() == 0) s.make_units(s.units);
    const double weight = 1.0 / (double{static_cast<double>(s.train_groups)} * group.pairs);
    for (size_t layer = 0; layer < s.layers(); ++layer) {
        const auto column = static_cast<Eigen::Index>(layer);
        const Eigen::VectorXd p = s.state_of(positive, layer), n = s.state_of(negative, layer);
        if (!group.held_out) {
            s.halves[group.half].col(column) += weight * (p - n);
            continue;
        }
        HeldOut& held = s.held_out[layer];
        held.positive.push_back(p.dot(s.units.col(column)));
        held.negative.push_back(n.dot(s.units.col(column)));
        held.add(p);
        held.add(n);
    }
    ++s.added;
}

// Held-out pairs follow the training pairs in order; every group counts alike.
double MeanDifference::State::balanced_mean(const std::vector<double>& by_pair) const {
    double sum = 0.0;
    for (size_t i = 0; i < by_pair.size(); ++i) sum += by_pair[i] / groups[group_of[order[train_pairs + i]]].pairs;
    return by_pair.empty() ? kNoValue : sum / static_cast<double>(groups.size() - train_groups);
}

void MeanDifference::State::report(size_t layer, MeanDifferenceResult& result) const {
    const auto column = static_cast<Eigen::Index>(layer);
    VectorRow& row = result.rows[layer];
    const Eigen::VectorXd a = halves[0].col(column), b = halves[1].col(column);
    const Eigen::VectorXf values = (a + b).cast<float>();
    row.values.assign(values.begin(), values.end());
    row.norm = static_cast<float>((a + b).norm());
    const double lengths = a.norm() * b.norm();
    if (lengths > 0.0) row.split_half_cosine = static_cast<float>(a.dot(b) / lengths);
    const HeldOut& held = held_out[layer];
    if (held.positive.empty()) return;
    row.auc = static_cast<float>(area_under_curve(held.positive, held.negative));
    row.explained_variance = static_cast<float>(explained_variance_of(held));
    row.persona = static_cast<float>(balanced_mean(held.positive));
    row.neutral = static_cast<float>(balanced_mean(held.negative));
    result.separation[layer] = static_cast<float>(separation_of(held));
}

MeanDifferenceResult MeanDifference::finish(std::span<const float> residual_norms) const {
    const State& s = *state_;
    if (s.added != s.order.size()) fail(STEER_ERR_STATE, "extract: {} of {} pairs were added", s.added, s.order.size());
    if (!residual_norms.empty() && residual_norms.size() != s.layers())
        fail(STEER_ERR_ARG, "extract: {} residual norms for {} layers", residual_norms.size(), s.layers());
    Rows units = s.units;
    if (units.size() == 0) s.make_units(units); // nothing was held out: refuse rows of length zero here
    MeanDifferenceResult result;
    result.rows.resize(s.layers());
    result.separation.assign(s.layers(), kUnknown);
    for (size_t layer = 0; layer < s.layers(); ++layer) {
        s.report(layer, result);
        if (!residual_norms.empty()) result.rows[layer].residual_norm = residual_norms[layer];
    }
    const LayerBand band = recommend_band(s.options.layer_begin, s.options.layer_begin + static_cast<int32_t>(result.separation.size()),
                                           s.options.layer_count);
    result.best_begin = band.begin, result.best_end = band.end;
    result.gauge_layer = recommend_gauge_layer(result.separation, s.options.layer_begin, s.options.layer_count);
    result.train_pairs = s.train_pairs;
    result.holdout_pairs = static_cast<uint32_t>(s.order.size()) - s.train_pairs;
    result.train_groups = s.train_groups;
    result.holdout_groups = static_cast<uint32_t>(s.groups.size()) - s.train_groups;
    return result;
}

double area_under_curve(std::span<const double> positive, std::span<const double> negative) {
    if (positive.empty() || negative.empty()) return kNoValue;
    std::vector<double> sorted(negative.begin(), negative.end());
    std::sort(sorted.begin(), sorted.end());
    double wins = 0.0;
    for (const double value : positive) {
        const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
        wins += static_cast<double>(low - sorted.begin()) + 0.5 * static_cast<double>(high - low);
    }
    return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

namespace {

// Index of the highest separation among the layers that allowed(layer) names; -1: none is known there.
template<class Allowed>
int32_t highest(std::span<const float> separation, int32_t layer_begin, Allowed allowed) {
    int32_t best = -1;
    for (int32_t i = 0; i < static_cast<int32_t>(separation.size()); ++i) {
        if (!allowed(layer_begin + i) || std::isnan(separation[static_cast<size_t>(i)])) continue;
        if (best < 0 || separation[static_cast<size_t>(i)] > separation[static_cast<size_t>(best)]) best = i;
    }
    return best;
}

} // namespace

LayerBand recommend_band(int32_t layer_begin, int32_t layer_end, int32_t layer_count) {
    const int32_t begin = std::max(layer_begin, 3 * layer_count / 10);
    const int32_t end = std::min(layer_end, (8 * layer_count + 9) / 10); // rounded up
    return begin < end ? LayerBand{begin, end} : LayerBand{-1, -1};
}

int32_t recommend_gauge_layer(std::span<const float> separation, int32_t layer_begin, int32_t layer_count) {
    int32_t best =
        highest(separation, layer_begin, [=](int32_t layer) { return 3 * int64_t{layer} >= 2 * int64_t{layer_count}; });
    if (best < 0) best = highest(separation, layer_begin, [](int32_t) { return true; });
    return best < 0 ? -1 : layer_begin + best;
}

} // namespace steer
