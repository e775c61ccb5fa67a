#include "steer/plan.h"

namespace steer {

namespace {

template<class T> std::vector<int32_t> site_begins(const std::vector<T>& sorted, int32_t layer_count) {
    std::vector<int32_t> begin(static_cast<size_t>(layer_count) + 2, 0);
    for (const T& item : sorted) begin[static_cast<size_t>(item.site) + 2]++;
    for (size_t i = 1; i < begin.size(); i++) begin[i] += begin[i - 1];
    return begin;
}

} // namespace

void RowPlan::index(int32_t layer_count) {
    push_begin = site_begins(pushes, layer_count);
    probe_begin = site_begins(probes, layer_count);
    reads_own = false;
    for (const Probe& probe : probes) reads_own = reads_own || probe.own;
}

} // namespace steer
