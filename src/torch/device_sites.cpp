#include "torch/device_sites.h"

#include "files/error.h"
#include "torch/upload.h"

#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>

namespace steer {
namespace {

cudaStream_t current_queue(at::Device device) {
    const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
    return static_cast<cudaStream_t>(stream.native_handle());
}

// Arrays of plain structs, one behind the other in bytes that travel in one copy.
class Blob {
  public:
    template<class T> size_t add(const std::vector<T>& values) {
        const size_t at = (bytes_.size() + 15) / 16 * 16;
        bytes_.resize(at + values.size() * sizeof(T));
        if (!values.empty()) std::memcpy(bytes_.data() + at, values.data(), values.size() * sizeof(T));
        return at;
    }
    at::Tensor to(at::Device device) const { return upload<uint8_t>(std::span<const uint8_t>(bytes_), device); }

  private:
    std::vector<uint8_t> bytes_;
};

} // namespace

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
    readings_ = at::zeros({reading_count}, device);
    pushed_ = at::zeros({static_cast<int64_t>(batch.rows.size()), hidden_size}, device);
    send(batch);
}

void DeviceSites::add_site(const Batch& batch, int32_t site) {
    const size_t before = pushes_.size() + probes_.size();
    for (size_t row = 0; row <= batch.rows.size(); row++) {
        push_begin_.push_back(static_cast<int32_t>(pushes_.size()));
        probe_begin_.push_back(static_cast<int32_t>(probes_.size()));
        if (row == batch.rows.size() || batch.rows[row].plan == nullptr) continue;
        add_pushes(batch.rows[row], site);
        add_probes(batch.rows[row], site, next_reading_[row]);
    }
    busy_.push_back(pushes_.size() + probes_.size() > before);
}

void DeviceSites::add_pushes(const BatchRow& row, int32_t site) {
    for (const Push& push : row.plan->pushes_at(site)) {
        const float strength = row.strengths[static_cast<size_t>(push.injection)];
        if (strength == 0.0f) continue; // off, bit for bit
        cuda::SitePush entry{};
        entry.direction = directions_.on_device(push.direction, push.direction_key, hidden_size_, device_);
        entry.amount = strength * push.scale;
        entry.keep_norm = push.kind == PushKind::add_keep_norm;
        entry.span = push.span;
        pushes_.push_back(entry);
    }
}

void DeviceSites::add_probes(const BatchRow& row, int32_t site, int32_t& next_reading) {
    for (const Probe& probe : row.plan->probes_at(site)) {
        cuda::SiteProbe entry{};
        entry.direction = directions_.on_device(probe.direction, probe.direction_key, hidden_size_, device_);
        entry.direction_norm = probe.direction_norm;
        entry.reading = next_reading++;
        entry.after = probe.tap == Tap::after;
        entry.own = probe.own;
        entry.metric = static_cast<uint8_t>(probe.metric);
        probes_.push_back(entry);
    }
}

// All tables in one copy to the device.
void DeviceSites::send(const Batch& batch) {
    std::vector<int32_t> row_of(batch.ids.size());
    std::vector<uint8_t> last(batch.ids.size()), reply(batch.chooses_reply.begin(), batch.chooses_reply.end());
    for (size_t r = 0; r < batch.rows.size(); r++) {
        const BatchRow& row = batch.rows[r];
        std::fill_n(row_of.begin() + row.token_begin, row.token_count, static_cast<int32_t>(r));
        last[static_cast<size_t>(row.token_begin + row.token_count - 1)] = 1;
    }
    Blob blob;
    const size_t rows_at = blob.add(row_of), reply_at = blob.add(reply), last_at = blob.add(last),
                 push_begin_at = blob.add(push_begin_), probe_begin_at = blob.add(probe_begin_), pushes_at = blob.add(pushes_),
                 probes_at = blob.add(probes_);
    blob_ = blob.to(device_);
    const auto* base = blob_.const_data_ptr<uint8_t>();
    tables_.row_of = reinterpret_cast<const int32_t*>(base + rows_at);
    tables_.chooses_reply = base + reply_at;
    tables_.last_of_row = base + last_at;
    tables_.push_begin = reinterpret_cast<const int32_t*>(base + push_begin_at);
    tables_.probe_begin = reinterpret_cast<const int32_t*>(base + probe_begin_at);
    tables_.pushes = reinterpret_cast<const cuda::SitePush*>(base + pushes_at);
    tables_.probes = reinterpret_cast<const cuda::SiteProbe*>(base + probes_at);
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
    const cudaError_t error = cuda::visit_site(tables_, site + 1, x.data_ptr(), type, current_queue(device_));
    if (error != cudaSuccess) fail(STEER_ERR_DEVICE, "CUDA at site {}: {}", site, cudaGetErrorString(error));
}

std::vector<float> DeviceSites::readings() {
    const at::Tensor host = readings_.cpu();
    return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

} // namespace steer
