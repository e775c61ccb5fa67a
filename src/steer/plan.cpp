#include "steer/plan.h"

#include <algorithm>

namespace steer {

namespace {

int32_t site_of(const Push& push) { return push.site; }
int32_t site_of(const Probe& probe) { return probe.site; }
int32_t site_of(const Gate& gate) { return gate.probe.site; }

template<class T> std::vector<int32_t> site_begins(const std::vector<T>& sorted, int32_t layer_count) {
    std::vector<int32_t> begin(static_cast<size_t>(layer_count) + 2, 0);
    for (const T& item : sorted) begin[static_cast<size_t>(site_of(item)) + 2]++;
    for (size_t i = 1; i < begin.size(); i++) begin[i] += begin[i - 1];
    return begin;
}

// The lower triangle, row after row.
void add_cosines(std::span<const Push> intervals, int32_t hidden_size, std::vector<double>& out) {
    for (size_t i = 0; i < intervals.size(); i++)
        for (size_t j = 0; j <= i; j++) out.push_back(cosine(intervals[i], intervals[j], hidden_size));
}

} // namespace

double cosine(const Push& a, const Push& b, int32_t hidden_size) {
    double dot = 0.0;
    for (int32_t i = 0; i < hidden_size; i++) dot += static_cast<double>(a.direction[i]) * static_cast<double>(b.direction[i]);
    return dot / (static_cast<double>(a.direction_norm) * static_cast<double>(b.direction_norm));
}

std::span<const Push> RowPlan::intervals_at(int32_t site) const {
    const std::span<const Push> all = pushes_at(site);
    const auto first = std::find_if(all.begin(), all.end(), [](const Push& push) { return push.kind == PushKind::interval; });
    return all.last(static_cast<size_t>(all.end() - first));
}

void RowPlan::index(int32_t layer_count, int32_t hidden_size) {
    push_begin = site_begins(pushes, layer_count);
    probe_begin = site_begins(probes, layer_count);
    gate_begin = site_begins(gates, layer_count);
    cosines.clear();
    cosine_begin.clear();
    for (int32_t site = -1; site < layer_count; site++) {
        cosine_begin.push_back(cosines.size());
        add_cosines(intervals_at(site), hidden_size, cosines);
    }
    cosine_begin.push_back(cosines.size());
    gates_own = std::any_of(gates.begin(), gates.end(), [](const Gate& gate) { return gate.probe.own; });
    reads_own = gates_own || std::any_of(probes.begin(), probes.end(), [](const Probe& probe) { return probe.own; });
}

} // namespace steer
