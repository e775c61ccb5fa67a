#include "torch/decode_tables.h"

#include "files/error.h"
#include "torch/blob.h"

#include <algorithm>
#include <limits>

namespace steer {
namespace {

// Of pushes and probes that mean the same to a kernel. A direction without a key may have changed unseen.
bool same(const Push& a, const Push& b) {
    return a.site == b.site && a.kind == b.kind && a.span == b.span && a.direction_key != 0 && a.direction_key == b.direction_key;
}
bool same(const Probe& a, const Probe& b) {
    return a.site == b.site && a.tap == b.tap && a.metric == b.metric && a.own == b.own && a.direction_norm == b.direction_norm &&
           a.direction_key != 0 && a.direction_key == b.direction_key;
}
template<class T> bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) { return same(x, y); });
}

} // namespace

void DecodeTables::update(const Batch& batch) {
    if (!are_current(batch)) make(batch);
    set_amounts(batch);
}

void DecodeTables::set_amounts(const Batch& batch) {
    auto entry = pushes_.begin();
    for (int32_t site = -1; site < layer_count_; site++)
        for (const BatchRow& row : batch.rows) {
            if (row.plan == nullptr) continue;
            for (const Push& push : row.plan->pushes_at(site))
                if (push.kind != PushKind::interval)
                    (entry++)->amount = row.strengths[static_cast<size_t>(push.injection)] * push.scale;
        }
}

bool DecodeTables::are_current(const Batch& batch) const {
    if (pushes_made_.size() != batch.rows.size()) return false;
    for (size_t r = 0; r < batch.rows.size(); r++) {
        static const RowPlan none;
        const RowPlan& plan = batch.rows[r].plan == nullptr ? none : *batch.rows[r].plan;
        if (!same(plan.pushes, pushes_made_[r]) || !same(plan.probes, probes_made_[r])) return false;
    }
    return true;
}

void DecodeTables::make(const Batch& batch) {
    directions_.begin_pass();
    pushes_made_.clear(), probes_made_.clear();
    sites_.clear(), pushes_.clear(), probes_.clear();
    std::vector<int32_t> next_reading(1, 0); // row after row
    for (const BatchRow& row : batch.rows)
        next_reading.push_back(next_reading.back() + (row.plan == nullptr ? 0 : static_cast<int32_t>(row.plan->probes.size())));
    for (int32_t site = -1; site < layer_count_; site++)
        for (size_t r = 0; r < static_cast<size_t>(cuda::kDecodeRowsMax); r++) {
            const auto pushes = static_cast<int32_t>(pushes_.size()), probes = static_cast<int32_t>(probes_.size());
            const RowPlan* const plan = r < batch.rows.size() ? batch.rows[r].plan : nullptr;
            if (plan != nullptr) add_row(*plan, site, next_reading[r]);
            sites_.push_back(site_of(pushes, probes, plan != nullptr && plan->reads_own));
        }
    for (const BatchRow& row : batch.rows) { // last: a failure above leaves no tables that seem current
        pushes_made_.push_back(row.plan == nullptr ? std::vector<Push>() : row.plan->pushes);
        probes_made_.push_back(row.plan == nullptr ? std::vector<Probe>() : row.plan->probes);
    }
}

// What was added from these pushes and probes on.
cuda::DecodeSite DecodeTables::site_of(int32_t push_begin, int32_t probe_begin, bool reads_own) const {
    const auto count = static_cast<int32_t>(probes_.size()) - probe_begin;
    if (count > std::numeric_limits<uint16_t>::max()) fail(STEER_ERR_UNSUPPORTED, "{} readings at one site", count);
    const bool keeps_norm = std::any_of(pushes_.begin() + push_begin, pushes_.end(), [](const auto& push) { return push.keep_norm != 0; });
    return {push_begin, static_cast<int32_t>(pushes_.size()), probe_begin, static_cast<uint16_t>(count), keeps_norm, reads_own};
}

void DecodeTables::add_row(const RowPlan& plan, int32_t site, int32_t& next_reading) {
    for (const Push& push : plan.pushes_at(site)) {
        if (push.kind == PushKind::interval) continue;
        cuda::DecodePush entry{};
        entry.direction = directions_.on_device(push.direction, push.direction_key, hidden_size_, device_);
        entry.keep_norm = push.kind == PushKind::add_keep_norm;
        entry.span = push.span;
        pushes_.push_back(entry);
    }
    for (const Probe& probe : plan.probes_at(site)) {
        const float* const direction = directions_.on_device(probe.direction, probe.direction_key, hidden_size_, device_);
        probes_.push_back(site_probe(probe, direction, next_reading++));
    }
}

} // namespace steer
