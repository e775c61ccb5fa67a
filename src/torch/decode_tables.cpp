#include "torch/decode_tables.h"

#include "torch/blob.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

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

void DecodeTables::update(const Batch& batch, cuda::DecodeControl& control, std::vector<float>& amounts) {
    if (!are_current(batch)) make(batch);
    amounts.clear();
    for (int32_t site = -1; site < layer_count_; site++)
        for (const BatchRow& row : batch.rows) {
            if (row.plan == nullptr) continue;
            for (const Push& push : row.plan->pushes_at(site))
                if (push.kind != PushKind::interval)
                    amounts.push_back(row.strengths[static_cast<size_t>(push.injection)] * push.scale);
        }
    control.push_begin = placed_.push_begin, control.probe_begin = placed_.probe_begin;
    control.pushes = placed_.pushes, control.probes = placed_.probes;
    control.readings = placed_.readings, control.reading_count = reading_count_;
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
    push_begin_.clear(), probe_begin_.clear(), pushes_.clear(), probes_.clear();
    reading_count_ = 0;
    std::vector<int32_t> next_reading;
    for (const BatchRow& row : batch.rows) {
        next_reading.push_back(reading_count_);
        if (row.plan != nullptr) reading_count_ += static_cast<int32_t>(row.plan->probes.size());
    }
    for (int32_t site = -1; site < layer_count_; site++)
        for (size_t r = 0; r <= static_cast<size_t>(cuda::kDecodeRowsMax); r++) {
            push_begin_.push_back(static_cast<int32_t>(pushes_.size()));
            probe_begin_.push_back(static_cast<int32_t>(probes_.size()));
            if (r < batch.rows.size() && batch.rows[r].plan != nullptr) add_row(batch.rows[r], site, next_reading[r]);
        }
    send();
    for (const BatchRow& row : batch.rows) { // last: a failure above leaves no tables that seem current
        pushes_made_.push_back(row.plan == nullptr ? std::vector<Push>() : row.plan->pushes);
        probes_made_.push_back(row.plan == nullptr ? std::vector<Probe>() : row.plan->probes);
    }
}

void DecodeTables::add_row(const BatchRow& row, int32_t site, int32_t& next_reading) {
    for (const Push& push : row.plan->pushes_at(site)) {
        if (push.kind == PushKind::interval) continue;
        cuda::DecodePush entry{};
        entry.direction = directions_.on_device(push.direction, push.direction_key, hidden_size_, device_);
        entry.keep_norm = push.kind == PushKind::add_keep_norm;
        entry.span = push.span;
        pushes_.push_back(entry);
    }
    for (const Probe& probe : row.plan->probes_at(site)) {
        const float* const direction = directions_.on_device(probe.direction, probe.direction_key, hidden_size_, device_);
        probes_.push_back(site_probe(probe, direction, next_reading++));
    }
}

void DecodeTables::send() {
    Blob blob;
    const size_t push_begin_at = blob.add(push_begin_), probe_begin_at = blob.add(probe_begin_), pushes_at = blob.add(pushes_),
                 probes_at = blob.add(probes_);
    blob_ = blob.to(device_);
    readings_ = at::zeros({std::max(reading_count_, 1)}, device_);
    const auto* base = blob_.const_data_ptr<uint8_t>();
    placed_.push_begin = reinterpret_cast<const int32_t*>(base + push_begin_at);
    placed_.probe_begin = reinterpret_cast<const int32_t*>(base + probe_begin_at);
    placed_.pushes = reinterpret_cast<const cuda::DecodePush*>(base + pushes_at);
    placed_.probes = reinterpret_cast<const cuda::SiteProbe*>(base + probes_at);
    placed_.readings = readings_.data_ptr<float>();
}

} // namespace steer
