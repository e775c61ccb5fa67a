#include "torch/device_sites.h"

#include "kernels/interval.h"
#include "torch/blob.h"
#include "torch/queue.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <iterator>

namespace steer {
DeviceSites::DeviceSites(const Batch& batch, int32_t layer_count, int32_t hidden_size, at::Device device,
                         DirectionCache& directions)
    : device_(device), directions_(directions), hidden_size_(hidden_size) {
    directions_.begin_pass();
    int32_t reading_count = 0;
    for (const BatchRow& row : batch.rows) {
        next_reading_.push_back(reading_count);
        reading_count += row.plan == nullptr ? 0 : static_cast<int32_t>(row.plan->probes.size());
    }
    for (int32_t site = -1; site < layer_count; site++) add_site(batch, site);
    add_tokens(batch);
    readings_ = at::zeros({reading_count}, device);
    pushed_ = at::zeros({pushed_count_, hidden_size}, device);
    const auto token_count = static_cast<int64_t>(batch.ids.size());
    int32_t gate_max = 0;
    for (const cuda::SiteLoad& load : load_) gate_max = std::max(gate_max, load.gates);
    if (gate_max > 0) {
        gate_bits_ = at::zeros({token_count}, at::TensorOptions(device).dtype(at::kLong));
        gate_values_ = at::empty({token_count, gate_max}, device);
    }
    send(batch);
}

void DeviceSites::add_site(const Batch& batch, int32_t site) {
    const auto entries = [&] { return pushes_.size() + holds_.size() + probes_.size() + gates_.size(); };
    const size_t before = entries();
    load_.push_back({0, 0});
    for (size_t row = 0; row <= batch.rows.size(); row++) {
        push_begin_.push_back(static_cast<int32_t>(pushes_.size()));
        hold_begin_.push_back(static_cast<int32_t>(holds_.size()));
        cosine_begin_.push_back(static_cast<int32_t>(cosines_.size()));
        probe_begin_.push_back(static_cast<int32_t>(probes_.size()));
        gate_begin_.push_back(static_cast<int32_t>(gates_.size()));
        if (row == batch.rows.size() || batch.rows[row].plan == nullptr) continue;
        add_pushes(batch.rows[row], site);
        add_holds(batch.rows[row], site);
        add_probes(batch.rows[row], site, next_reading_[row]);
        add_gates(batch.rows[row], site);
    }
    busy_.push_back(entries() > before);
}

// Where a push acts: its span, and the groups of gates that its injection waits for.
cuda::SiteScope DeviceSites::scope(const BatchRow& row, const Push& push) {
    cuda::SiteScope scope{};
    scope.span = push.span;
    scope.group_begin = static_cast<int32_t>(groups_.size());
    if (row.gating != nullptr) {
        const auto injection = static_cast<size_t>(push.injection);
        const auto groups = row.gating->groups.begin();
        groups_.insert(groups_.end(), groups + row.gating->begin[injection], groups + row.gating->begin[injection + 1]);
    }
    scope.group_end = static_cast<int32_t>(groups_.size());
    return scope;
}

void DeviceSites::add_pushes(const BatchRow& row, int32_t site) {
    for (const Push& push : row.plan->pushes_at(site)) {
        const float strength = row.strengths[static_cast<size_t>(push.injection)];
        if (strength == 0.0f || push.kind == PushKind::interval) continue; // off, bit for bit
        cuda::SitePush entry{};
        entry.direction = directions_.on_device(push.direction, push.direction_key, hidden_size_, device_);
        entry.amount = strength * push.scale;
        entry.keep_norm = push.kind == PushKind::add_keep_norm;
        entry.scope = scope(row, push);
        pushes_.push_back(entry);
    }
}

void DeviceSites::add_holds(const BatchRow& row, int32_t site) {
    const std::span<const Push> all = row.plan->intervals_at(site);
    const size_t before = holds_.size();
    for (size_t i = 0; i < all.size(); i++) {
        const Push& push = all[i];
        cuda::SiteHold entry{};
        entry.share = row.strengths[static_cast<size_t>(push.injection)] * push.scale;
        if (entry.share == 0.0f) continue;
        entry.direction = directions_.on_device(push.direction, push.direction_key, hidden_size_, device_);
        entry.direction_norm = push.direction_norm;
        entry.low = push.low, entry.high = push.high;
        entry.row = static_cast<int32_t>(i);
        entry.scope = scope(row, push);
        holds_.push_back(entry);
    }
    if (holds_.size() == before) return;
    load_.back().holds = std::max(load_.back().holds, static_cast<int32_t>(holds_.size() - before));
    cosines_.insert(cosines_.end(), row.plan->cosines_at(site), row.plan->cosines_at(site) + packed_size(std::ssize(all)));
}

void DeviceSites::add_probes(const BatchRow& row, int32_t site, int32_t& next_reading) {
    for (const Probe& probe : row.plan->probes_at(site)) {
        const float* const direction = directions_.on_device(probe.direction, probe.direction_key, hidden_size_, device_);
        probes_.push_back(site_probe(probe, direction, next_reading++));
    }
}

void DeviceSites::add_gates(const BatchRow& row, int32_t site) {
    const std::span<const Gate> all = row.plan->gates_at(site);
    for (const Gate& gate : all) {
        cuda::SiteGate entry{};
        entry.direction = directions_.on_device(gate.probe.direction, gate.probe.direction_key, hidden_size_, device_);
        entry.direction_norm = gate.probe.direction_norm;
        entry.comparator = gate.comparator;
        entry.bit = gate.bit;
        entry.after = gate.probe.tap == Tap::after;
        entry.own = gate.probe.own;
        entry.metric = static_cast<uint8_t>(gate.probe.metric);
        gates_.push_back(entry);
    }
    load_.back().gates = std::max(load_.back().gates, static_cast<int32_t>(all.size()));
}

void DeviceSites::add_tokens(const Batch& batch) {
    row_of_.resize(batch.ids.size());
    pushed_of_.assign(batch.ids.size(), -1);
    last_.resize(batch.ids.size());
    for (size_t r = 0; r < batch.rows.size(); r++) {
        const BatchRow& row = batch.rows[r];
        row_begin_.push_back(row.token_begin);
        gates_before_.push_back(row.gate_bits);
        std::fill_n(row_of_.begin() + row.token_begin, row.token_count, static_cast<int32_t>(r));
        const int32_t end = row.token_begin + row.token_count;
        last_[static_cast<size_t>(end - 1)] = 1;
        if (row.plan == nullptr || !row.plan->reads_own) continue;
        for (int32_t token = row.plan->gates_own ? row.token_begin : end - 1; token < end; token++)
            pushed_of_[static_cast<size_t>(token)] = pushed_count_++;
    }
    row_begin_.push_back(static_cast<int32_t>(batch.ids.size()));
}

// All tables in one copy to the device.
void DeviceSites::send(const Batch& batch) {
    const std::vector<uint8_t> reply(batch.chooses_reply.begin(), batch.chooses_reply.end());
    Blob blob;
    const size_t rows_at = blob.add(row_of_), reply_at = blob.add(reply), last_at = blob.add(last_),
                 push_begin_at = blob.add(push_begin_), probe_begin_at = blob.add(probe_begin_), pushes_at = blob.add(pushes_),
                 probes_at = blob.add(probes_), hold_begin_at = blob.add(hold_begin_), cosine_begin_at = blob.add(cosine_begin_),
                 holds_at = blob.add(holds_), cosines_at = blob.add(cosines_), gate_begin_at = blob.add(gate_begin_),
                 gates_at = blob.add(gates_), groups_at = blob.add(groups_), gates_before_at = blob.add(gates_before_),
                 row_begin_at = blob.add(row_begin_), pushed_of_at = blob.add(pushed_of_);
    blob_ = blob.to(device_);
    const auto* base = blob_.const_data_ptr<uint8_t>();
    tables_.row_of = reinterpret_cast<const int32_t*>(base + rows_at);
    tables_.chooses_reply = base + reply_at;
    tables_.last_of_row = base + last_at;
    tables_.push_begin = reinterpret_cast<const int32_t*>(base + push_begin_at);
    tables_.probe_begin = reinterpret_cast<const int32_t*>(base + probe_begin_at);
    tables_.pushes = reinterpret_cast<const cuda::SitePush*>(base + pushes_at);
    tables_.probes = reinterpret_cast<const cuda::SiteProbe*>(base + probes_at);
    tables_.hold_begin = reinterpret_cast<const int32_t*>(base + hold_begin_at);
    tables_.cosine_begin = reinterpret_cast<const int32_t*>(base + cosine_begin_at);
    tables_.holds = reinterpret_cast<const cuda::SiteHold*>(base + holds_at);
    tables_.cosines = reinterpret_cast<const double*>(base + cosines_at);
    tables_.gate_begin = reinterpret_cast<const int32_t*>(base + gate_begin_at);
    tables_.gates = reinterpret_cast<const cuda::SiteGate*>(base + gates_at);
    tables_.groups = reinterpret_cast<const uint64_t*>(base + groups_at);
    tables_.gates_before = reinterpret_cast<const uint64_t*>(base + gates_before_at);
    tables_.row_begin = reinterpret_cast<const int32_t*>(base + row_begin_at);
    tables_.pushed_of = reinterpret_cast<const int32_t*>(base + pushed_of_at);
    if (gate_bits_.defined()) {
        tables_.gate_bits = reinterpret_cast<uint64_t*>(gate_bits_.data_ptr<int64_t>());
        tables_.gate_values = gate_values_.data_ptr<float>();
    }
    tables_.pushed = pushed_.data_ptr<float>();
    tables_.readings = readings_.data_ptr<float>();
    tables_.row_count = static_cast<int32_t>(batch.rows.size());
    tables_.token_count = static_cast<int32_t>(batch.ids.size());
    tables_.hidden_size = hidden_size_;
}

void DeviceSites::visit(int32_t site, at::Tensor& x) {
    if (!busy_[static_cast<size_t>(site + 1)]) return;
    const auto type = x.scalar_type() == at::kFloat  ? cuda::Stream::f32
                      : x.scalar_type() == at::kHalf ? cuda::Stream::f16
                                                     : cuda::Stream::bf16;
    const cuda::SiteLoad load = load_[static_cast<size_t>(site + 1)];
    const cudaError_t error = cuda::visit_site(tables_, site + 1, load, x.data_ptr(), type, current_queue(device_));
    if (error != cudaSuccess) fail(STEER_ERR_DEVICE, "CUDA at site {}: {}", site, cudaGetErrorString(error));
}

std::vector<float> DeviceSites::readings() {
    const at::Tensor host = readings_.cpu();
    return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

std::vector<uint64_t> DeviceSites::gate_bits() {
    if (!gate_bits_.defined()) return {};
    const at::Tensor host = gate_bits_.cpu();
    const auto* bits = reinterpret_cast<const uint64_t*>(host.const_data_ptr<int64_t>());
    return {bits, bits + host.numel()};
}

} // namespace steer
