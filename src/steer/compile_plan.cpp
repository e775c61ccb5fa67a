#include "steer/compile_plan.h"

#include "files/error.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstring>
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

std::vector<Push> pushes_of(const InjectionSpec& spec, int32_t injection) {
    std::vector<Push> pushes;
    const auto [begin, end] = clip(*spec.vector, spec.layer_begin, spec.layer_end);
    for (int32_t layer = begin; layer < end; layer++) {
        const VectorRow* row = spec.vector->row(layer, spec.rows);
        if (row == nullptr) continue;
        const float scale =
            spec.layer_scales.empty() ? 1.0f : spec.layer_scales[static_cast<size_t>(layer - spec.layer_begin)];
        if (scale == 0.0f) continue;
        pushes.push_back({spec.vector->applied_at(layer), spec.kind, spec.span, injection, scale, row->values.data(),
                          direction_key(*spec.vector, layer, spec.rows)});
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
        return std::tuple(push.site, push.kind, push.span, std::bit_cast<uint32_t>(push.scale), push.direction_key);
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

    plan.row.index(layer_count);
    plan.twin_row.index(layer_count);
    return plan;
}

} // namespace steer
