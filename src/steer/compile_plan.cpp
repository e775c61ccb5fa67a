#include "steer/compile_plan.h"

#include "files/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <compare>
#include <cstring>
#include <map>
#include <numeric>
#include <tuple>

namespace steer {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) { // splitmix64's finaliser over a running state
    hash = (hash ^ value) + 0x9e3779b97f4a7c15u;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

// 64 of the 256 bits of the rows' SHA-256, with the row's place among them.
uint64_t direction_key(const Vector& vector, int32_t layer, int32_t rows) {
    uint64_t head;
    std::memcpy(&head, vector.fingerprint.data(), sizeof head);
    const bool read = rows == STEER_ROWS_READ && !vector.read.empty();
    return mix(mix(head, static_cast<uint64_t>(layer)), read ? 1 : 0) | 1; // never 0
}

struct LayerRange {
    int32_t begin, end;
};

LayerRange clip(const Vector& vector, int32_t begin, int32_t end) {
    return {std::max(begin, vector.layer_begin), std::min(end, vector.layer_end)};
}

// A bound of an interval as a projection on the layer's row.
float projection(const InjectionSpec& spec, int32_t layer, float bound) {
    if (spec.unit == STEER_UNIT_RAW || std::isinf(bound)) return bound;
    const Calibration& known = *spec.vector->calibration;
    const auto at = static_cast<size_t>(layer - known.layer_begin);
    if (spec.unit == STEER_UNIT_RELATIVE) return bound * known.rho[at];
    return known.neutral[at] + bound * (known.persona[at] - known.neutral[at]);
}

std::vector<Push> pushes_of(const InjectionSpec& spec, int32_t injection) {
    std::vector<Push> pushes;
    const auto [begin, end] = clip(*spec.vector, spec.layer_begin, spec.layer_end);
    for (int32_t layer = begin; layer < end; layer++) {
        const VectorRow* row = spec.vector->row(layer, spec.rows);
        if (row == nullptr) continue;
        const float scale =
            spec.layer_scales.empty() ? 1.0f : spec.layer_scales[static_cast<size_t>(layer - spec.layer_begin)];
        if (scale == 0.0f) continue;
        const auto [low, high] = std::minmax({projection(spec, layer, spec.low), projection(spec, layer, spec.high)});
        pushes.push_back({spec.vector->applied_at(layer), spec.kind, spec.span, injection, scale, row->values.data(),
                          direction_key(*spec.vector, layer, spec.rows), row->norm, low, high});
    }
    return pushes;
}

std::vector<Probe> probes_of(const GaugeSpec& spec) {
    std::vector<Probe> probes;
    const auto [begin, end] = clip(*spec.vector, spec.layer_begin, spec.layer_end);
    for (int32_t layer = begin; layer < end; layer++) {
        const VectorRow* row = spec.vector->row(layer, spec.rows);
        if (row == nullptr) continue;
        probes.push_back({spec.vector->measured_at(layer), spec.tap, spec.metric, spec.reading == Reading::own || spec.reading == Reading::corrected, row->norm,
                          row->values.data(), direction_key(*spec.vector, layer, spec.rows)});
    }
    return probes;
}

template<class Item>
void check_sites(const std::vector<Item>& items, const Vector& vector, int32_t layer_begin, int32_t layer_end,
                 int32_t layer_count) {
    if (items.empty())
        fail(STEER_ERR_ARG, "vector '{}' has no row in layers [{}, {}): its rows are in [{}, {})", vector.name,
             layer_begin, layer_end, vector.layer_begin, vector.layer_end);
    for (const Item& item : items)
        if (item.site < -1 || item.site >= layer_count)
            fail(STEER_ERR_MISMATCH, "vector '{}' reaches layer {}, the model has {} layers", vector.name, item.site + 1,
                 layer_count);
}

// By contents only: two injections are equal in this order if and only if they do the same.
std::strong_ordering compare(const std::vector<Push>& a, const std::vector<Push>& b, const InjectionSpec& spec_a,
                             const InjectionSpec& spec_b) {
    if (const auto order = spec_a.vector->fingerprint <=> spec_b.vector->fingerprint; order != 0) return order;
    const auto contents = [](const Push& push) {
        return std::tuple(push.site, push.kind, push.span, std::bit_cast<uint32_t>(push.scale), push.direction_key,
                          std::bit_cast<uint32_t>(push.low), std::bit_cast<uint32_t>(push.high));
    };
    return std::lexicographical_compare_three_way(
        a.begin(), a.end(), b.begin(), b.end(),
        [&](const Push& x, const Push& y) { return contents(x) <=> contents(y); });
}

} // namespace

uint64_t effect_key(const InjectionSpec& spec) {
    uint64_t key = static_cast<uint64_t>(spec.kind) + 1;
    for (const Push& push : pushes_of(spec, 0)) {
        key = mix(key, static_cast<uint64_t>(push.site + 1));
        key = mix(mix(key, push.direction_key), std::bit_cast<uint32_t>(push.scale));
        if (push.kind == PushKind::interval) key = mix(mix(key, std::bit_cast<uint32_t>(push.low)), std::bit_cast<uint32_t>(push.high));
    }
    return key;
}

int32_t lowest_site(const InjectionSpec& spec) {
    const std::vector<Push> pushes = pushes_of(spec, 0);
    return pushes.empty() ? INT32_MAX : pushes.front().site;
}

void check_injection(const InjectionSpec& spec, int32_t layer_count) {
    check_sites(pushes_of(spec, 0), *spec.vector, spec.layer_begin, spec.layer_end, layer_count);
}

void check_gauge(const GaugeSpec& spec, int32_t layer_count) {
    check_sites(probes_of(spec), *spec.vector, spec.layer_begin, spec.layer_end, layer_count);
}

namespace {

std::vector<Gate> gates_of(std::span<const InjectionSpec* const> injections) {
    std::vector<Gate> gates;
    for (const InjectionSpec* const spec : injections)
        for (const ConditionSpec& one : spec->conditions)
            if (one.same_pass) gates.push_back({probes_of(*one.reads).front(), one.bit, one.comparator});
    std::sort(gates.begin(), gates.end(), [](const Gate& a, const Gate& b) {
        return std::tuple(a.probe.site, a.bit) < std::tuple(b.probe.site, b.bit);
    });
    return gates;
}

// Does b ask the same of its row as a does of (nearly) the same row, or of the same row turned round?
bool asks_the_same(const Push& a, const Push& b, bool turned) {
    return turned ? a.low == -b.high && a.high == -b.low : a.low == b.low && a.high == b.high;
}

} // namespace

bool reads_raw(const GaugeSpec& spec) { return spec.reading == Reading::raw; }

int32_t highest_site(const GaugeSpec& spec) {
    const std::vector<Probe> probes = probes_of(spec);
    return probes.empty() ? INT32_MIN : probes.back().site;
}

void check_condition(const ConditionSpec& condition, const InjectionSpec& injection) {
    const int32_t read = highest_site(*condition.reads), pushed = lowest_site(injection);
    if (reads_raw(*condition.reads) && read >= pushed)
        fail(STEER_ERR_ARG, "conditions: gauge {:#x} reads RAW at site {}, and this injection acts from site {} on: it would hold "
                            "its own condition open. Let the gauge read OWN, or below", condition.gauge, read, pushed);
    if (!condition.same_pass) return;
    const bool read_in_pass = condition.reads->reading == Reading::raw || condition.reads->reading == Reading::own;
    if (!read_in_pass || condition.reads->calibrated)
        fail(STEER_ERR_ARG, "conditions: gauge {:#x} is corrected, calibrated or reads the twin, which is known after the pass: use "
                            "STEER_WHEN_LAST_STEP, or a gauge that reads OWN on the natural scale", condition.gauge);
    if (probes_of(*condition.reads).size() != 1 || condition.reads->window != 1)
        fail(STEER_ERR_ARG, "conditions: gauge {:#x} reads several layers or a window, a condition of the SAME_PASS one layer of one "
                            "token: take another gauge, or WHEN_LAST_STEP", condition.gauge);
    if (read >= pushed)
        fail(STEER_ERR_ARG, "conditions: gauge {:#x} reads at site {}, too late in the same pass for an injection that acts from "
                            "site {} on: raise layer_begin, read below, or take WHEN_LAST_STEP", condition.gauge, read, pushed);
}

uint64_t condition_key(const ConditionSpec& condition) {
    const Comparator& comparator = condition.comparator;
    uint64_t key = mix(condition.same_pass ? 2 : 1, comparator.below ? 2 : 1);
    key = mix(mix(key, std::bit_cast<uint32_t>(comparator.enter)), std::bit_cast<uint32_t>(comparator.leave));
    key = mix(mix(key, condition.group), static_cast<uint64_t>(condition.reads->reduce));
    key = mix(mix(key, static_cast<uint64_t>(condition.reads->window)), static_cast<uint64_t>(condition.reads->reading));
    key = mix(key, condition.reads->calibrated ? 1 : 0);
    for (const Probe& probe : probes_of(*condition.reads)) {
        key = mix(mix(key, static_cast<uint64_t>(probe.site + 1)), probe.direction_key);
        key = mix(key, static_cast<uint64_t>(probe.tap) | static_cast<uint64_t>(probe.metric) << 8 | uint64_t{probe.own} << 16);
    }
    return key;
}

void check_intervals(const InjectionSpec& added, std::span<const InjectionSpec* const> there) {
    constexpr double kSameRow = 0.999;
    if (added.kind != PushKind::interval) return;
    const std::vector<Push> pushes = pushes_of(added, 0);
    std::map<int32_t, int32_t> count_at; // by site
    for (const InjectionSpec* const spec : there) {
        if (spec->kind != PushKind::interval) continue;
        const bool meet = (spec->span & added.span) != 0; // at some position
        for (const Push& other : pushes_of(*spec, 0)) {
            const auto mine = std::find_if(pushes.begin(), pushes.end(), [&](const Push& p) { return p.site == other.site; });
            if (mine == pushes.end()) continue;
            if (++count_at[other.site] >= kIntervalsPerSite)
                fail(STEER_ERR_ARG, "a site holds at most {} intervals, and that many act at site {} already: remove one, or "
                                    "say other layers", kIntervalsPerSite, other.site);
            const double along = meet ? cosine(*mine, other, added.vector->hidden_size) : 0.0;
            if (std::fabs(along) > kSameRow && !asks_the_same(*mine, other, along < 0.0))
                fail(STEER_ERR_ARG, "vectors '{}' and '{}' have nearly the same row at site {} (cosine {:.4f}) and are to hold "
                                    "it in [{}, {}] and [{}, {}]: make one interval of them, or say other layers or spans",
                     added.vector->name, spec->vector->name, other.site, along, added.low, added.high, spec->low, spec->high);
        }
    }
}

CompiledPlan compile_plan(std::span<const InjectionSpec* const> injections, std::span<const GaugeSpec* const> gauges,
                          int32_t layer_count) {
    CompiledPlan plan;

    std::vector<std::vector<Push>> pushes;
    for (const InjectionSpec* spec : injections) pushes.push_back(pushes_of(*spec, 0));
    std::vector<size_t> order(injections.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto compare_at = [&](size_t a, size_t b) {
        return compare(pushes[a], pushes[b], *injections[a], *injections[b]);
    };
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return compare_at(a, b) < 0; });
    for (size_t i = 0; i < order.size(); i++) {
        const bool same = i > 0 && compare_at(order[i - 1], order[i]) == 0;
        plan.injections.push_back({static_cast<int32_t>(order[i]), same});
        for (Push& push : pushes[order[i]]) {
            push.injection = static_cast<int32_t>(i);
            plan.row.pushes.push_back(push);
        }
    }
    std::stable_sort(plan.row.pushes.begin(), plan.row.pushes.end(), [](const Push& a, const Push& b) {
        return std::tuple(a.site, a.kind, a.injection) < std::tuple(b.site, b.kind, b.injection);
    });

    struct Placed {
        Probe probe;
        size_t gauge;
    };
    std::vector<Placed> placed;
    for (size_t gauge = 0; gauge < gauges.size(); gauge++)
        for (const Probe& probe : probes_of(*gauges[gauge])) placed.push_back({probe, gauge});
    std::stable_sort(placed.begin(), placed.end(),
                     [](const Placed& a, const Placed& b) { return a.probe.site < b.probe.site; });
    plan.gauges.resize(gauges.size(), PlannedGauge{{}, {}, INT32_MAX, INT32_MIN});
    for (const auto& [probe, gauge] : placed) {
        PlannedGauge& planned = plan.gauges[gauge];
        RowPlan& row = gauges[gauge]->reading == Reading::twin ? plan.twin_row : plan.row;
        planned.probes.push_back(static_cast<int32_t>(row.probes.size()));
        planned.layers.push_back(probe.site + (gauges[gauge]->vector->site_measured == STEER_SITE_INPUT ? 1 : 0));
        planned.lowest = std::min(planned.lowest, probe.site);
        planned.highest = std::max(planned.highest, probe.site);
        row.probes.push_back(probe);
    }

    plan.row.gates = gates_of(injections);
    plan.row.index(layer_count, injections.empty() ? 0 : injections[0]->vector->hidden_size);
    plan.twin_row.index(layer_count, 0);
    return plan;
}

} // namespace steer
