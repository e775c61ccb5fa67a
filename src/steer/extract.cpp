#include "steer/extract.h"

#include "files/error.h"
#include "steer/directions.h"
#include "steer/held_out.h"

#include <cmath>
#include <utility>

namespace steer {
namespace {

using Eigen::Index;
using Eigen::VectorXd;

// Rows of numbers that a method keeps of a pair: none, the difference, or both states.
size_t kept_rows(int32_t method) {
    if (method == STEER_METHOD_MEAN_DIFFERENCE) return 0;
    return method == STEER_METHOD_PROBE ? 2 : 1;
}

// The persona's side is where the differences point on average; where they point nowhere, the largest component is positive.
void orient(VectorXd& row, const VectorXd& mean_difference) {
    double towards = row.dot(mean_difference);
    if (towards == 0.0) {
        Index largest = 0;
        row.cwiseAbs().maxCoeff(&largest);
        towards = row[largest];
    }
    if (towards < 0.0) row = -row;
}

} // namespace

uint64_t kept_bytes_per_layer(int32_t method, size_t train_pairs, int32_t hidden_size) {
    return uint64_t{kept_rows(method)} * train_pairs * static_cast<uint64_t>(hidden_size) * sizeof(float);
}

struct RowExtraction::State {
    enum class Part { first_half, second_half, all };

    RowOptions options;
    std::shared_ptr<const GroupSplit> split;
    size_t added = 0;
    bool fitted = false;
    std::vector<VectorXd> halves[2];        // by layer: weighted sums of differences; together their mean
    std::vector<std::vector<float>> kept;   // by layer: [training pairs][kept_rows][hidden size]
    std::vector<VectorXd> rows, units;      // by layer
    std::vector<double> split_half;         // by layer
    std::vector<HeldOut> held_out;          // by layer

    size_t layers() const { return static_cast<size_t>(options.layer_end - options.layer_begin); }
    size_t hidden() const { return static_cast<size_t>(options.hidden_size); }
    int32_t layer_number(size_t layer) const { return options.layer_begin + static_cast<int32_t>(layer); }

    void check_size(const PairStates& states) const;
    VectorXd state_of(std::span<const float> states, size_t layer) const;
    void train(size_t layer, const VectorXd& positive, const VectorXd& negative);
    void keep(size_t layer, const VectorXd& state);
    VectorXd mean_difference(size_t layer, Part part) const;
    std::vector<size_t> pairs_of(Part part) const;
    VectorXd row_of(size_t layer, Part part) const;
    void fit_layer(size_t layer);
    VectorRow report(size_t layer) const;
};

void RowExtraction::State::check_size(const PairStates& states) const {
    const size_t size = layers() * hidden();
    if (states.positive.size() != size || states.negative.size() != size)
        fail(STEER_ERR_ARG, "extract: a pair's states have {} and {} numbers, {} are needed", states.positive.size(),
             states.negative.size(), size);
}

VectorXd RowExtraction::State::state_of(std::span<const float> states, size_t layer) const {
    const Eigen::Map<const Eigen::VectorXf> state(states.data() + layer * hidden(), options.hidden_size);
    if (!state.allFinite())
        fail(STEER_ERR_NUMERIC, "extract: the model gave states that are not finite at layer {}", layer_number(layer));
    return state.cast<double>();
}

void RowExtraction::State::train(size_t layer, const VectorXd& positive, const VectorXd& negative) {
    const VectorXd difference = positive - negative;
    halves[split->half(added)][layer] += split->weight(added) * difference;
    if (kept_rows(options.method) == 1) keep(layer, difference);
    if (kept_rows(options.method) == 2) keep(layer, positive), keep(layer, negative);
}

void RowExtraction::State::keep(size_t layer, const VectorXd& state) {
    for (const double value : state) kept[layer].push_back(static_cast<float>(value));
}

VectorXd RowExtraction::State::mean_difference(size_t layer, Part part) const {
    if (part == Part::all) return halves[0][layer] + halves[1][layer];
    return halves[part == Part::first_half ? 0 : 1][layer];
}

std::vector<size_t> RowExtraction::State::pairs_of(Part part) const {
    std::vector<size_t> pairs;
    for (size_t at = 0; at < split->train_pairs(); ++at)
        if (part == Part::all || split->half(at) == (part == Part::first_half ? 0 : 1)) pairs.push_back(at);
    return pairs;
}

// Length zero: that part of the pairs gives no direction.
VectorXd RowExtraction::State::row_of(size_t layer, Part part) const {
    const VectorXd mean = mean_difference(layer, part);
    const size_t each = kept_rows(options.method);
    if (each == 0) return mean;
    const std::vector<size_t> pairs = pairs_of(part);
    if (pairs.empty()) return VectorXd::Zero(options.hidden_size);
    RowMatrix data(static_cast<Index>(pairs.size() * each), options.hidden_size);
    VectorXd weights(static_cast<Index>(pairs.size()));
    for (size_t i = 0; i < pairs.size(); ++i) {
        weights[static_cast<Index>(i)] = split->weight(pairs[i]);
        for (size_t row = 0; row < each; ++row)
            data.row(static_cast<Index>(i * each + row)) =
                Eigen::Map<const Eigen::RowVectorXf>(kept[layer].data() + (pairs[i] * each + row) * hidden(), options.hidden_size)
                    .cast<double>();
    }
    weights /= weights.sum();
    if (options.method == STEER_METHOD_PROBE) return probe_weights(std::move(data), weights);
    VectorXd row = principal_direction(std::move(data), weights, options.method == STEER_METHOD_PCA_CENTRED);
    orient(row, mean);
    return row;
}

void RowExtraction::State::fit_layer(size_t layer) {
    rows[layer] = row_of(layer, Part::all);
    const double norm = rows[layer].norm();
    if (!(norm > 0.0) && options.method == STEER_METHOD_PCA_CENTRED)
        fail(STEER_ERR_ARG, "extract: the differences of all pairs are the same at layer {}: centred PCA looks at how they "
                            "differ; more pairs, or another method", layer_number(layer));
    if (!(norm > 0.0))
        fail(STEER_ERR_ARG, "extract: both voices give the same states at layer {}: do the pairs differ where they are pooled?",
             layer_number(layer));
    units[layer] = rows[layer] / norm;
    const VectorXd a = row_of(layer, Part::first_half), b = row_of(layer, Part::second_half);
    const double lengths = a.norm() * b.norm();
    split_half[layer] = lengths > 0.0 ? a.dot(b) / lengths : double{kUnknown};
}

VectorRow RowExtraction::State::report(size_t layer) const {
    VectorRow row;
    const Eigen::VectorXf values = rows[layer].cast<float>();
    row.values.assign(values.begin(), values.end());
    row.norm = static_cast<float>(rows[layer].norm());
    row.split_half_cosine = static_cast<float>(split_half[layer]);
    const HeldOut& held = held_out[layer];
    row.auc = static_cast<float>(held.pooled().auc());
    row.auc_content = static_cast<float>(held.content().auc());
    row.explained_variance = static_cast<float>(held.explained_variance());
    row.persona = static_cast<float>(held.persona());
    row.neutral = static_cast<float>(held.neutral());
    return row;
}

RowExtraction::RowExtraction(const RowOptions& options, std::shared_ptr<const GroupSplit> split)
    : state_(std::make_unique<State>()) {
    if (options.layer_begin < 0 || options.layer_begin >= options.layer_end)
        fail(STEER_ERR_ARG, "extract: layers {} to {} (end not included)", options.layer_begin, options.layer_end);
    if (options.hidden_size < 1) fail(STEER_ERR_ARG, "extract: a hidden size of {}", options.hidden_size);
    State& s = *state_;
    s.options = options;
    s.split = std::move(split);
    for (std::vector<VectorXd>& half : s.halves) half.assign(s.layers(), VectorXd::Zero(options.hidden_size));
    s.kept.resize(s.layers());
    for (std::vector<float>& states : s.kept)
        states.reserve(kept_rows(options.method) * s.split->train_pairs() * s.hidden());
    s.rows.resize(s.layers());
    s.units.resize(s.layers());
    s.split_half.assign(s.layers(), double{kUnknown});
    s.held_out.resize(s.layers());
}

RowExtraction::~RowExtraction() = default;

void RowExtraction::add(const PairStates& pooled, const PairStates& content) {
    State& s = *state_;
    s.check_size(pooled);
    if (!content.empty()) s.check_size(content);
    if (s.added == s.split->size()) fail(STEER_ERR_STATE, "extract: all {} pairs were added already", s.added);
    const bool held = s.split->held_out(s.added);
    if (held) fit();
    for (size_t layer = 0; layer < s.layers(); ++layer) {
        const VectorXd positive = s.state_of(pooled.positive, layer), negative = s.state_of(pooled.negative, layer);
        if (!held) {
            s.train(layer, positive, negative);
            continue;
        }
        s.held_out[layer].add(s.units[layer], positive, negative, s.split->weight(s.added));
        if (!content.empty())
            s.held_out[layer].add_content(s.units[layer], s.state_of(content.positive, layer), s.state_of(content.negative, layer));
    }
    ++s.added;
}

void RowExtraction::fit(const std::function<void()>& before_layer) {
    State& s = *state_;
    if (s.fitted) return;
    if (s.added < s.split->train_pairs())
        fail(STEER_ERR_STATE, "extract: {} of {} pairs for the rows were added", s.added, s.split->train_pairs());
    for (size_t layer = 0; layer < s.layers(); ++layer) {
        if (before_layer) before_layer();
        s.fit_layer(layer);
        std::vector<float>().swap(s.kept[layer]);
    }
    s.fitted = true;
}

ExtractedRows RowExtraction::finish(std::span<const float> residual_norms) {
    State& s = *state_;
    if (s.added != s.split->size()) fail(STEER_ERR_STATE, "extract: {} of {} pairs were added", s.added, s.split->size());
    if (!residual_norms.empty() && residual_norms.size() != s.layers())
        fail(STEER_ERR_ARG, "extract: {} residual norms for {} layers", residual_norms.size(), s.layers());
    fit();
    ExtractedRows out;
    for (size_t layer = 0; layer < s.layers(); ++layer) {
        out.rows.push_back(s.report(layer));
        if (!residual_norms.empty()) out.rows.back().residual_norm = residual_norms[layer];
        out.separation.push_back(static_cast<float>(s.held_out[layer].pooled().separation()));
        out.content_separation.push_back(static_cast<float>(s.held_out[layer].content().separation()));
    }
    return out;
}

} // namespace steer
