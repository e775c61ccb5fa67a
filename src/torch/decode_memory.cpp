#include "torch/decode_memory.h"

#include "torch/queue.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace steer {

PinnedMemory::~PinnedMemory() {
    if (data_ != nullptr) cudaFreeHost(data_);
}

bool PinnedMemory::grow(size_t bytes) {
    if (bytes <= size_) return false;
    bytes = std::max(bytes, 2 * size_);
    void* data = nullptr;
    check_cuda(cudaHostAlloc(&data, bytes, cudaHostAllocPortable | cudaHostAllocMapped), "pinned main memory");
    if (data_ != nullptr) cudaFreeHost(data_);
    data_ = data;
    size_ = bytes;
    return true;
}

DecodeMemory::DecodeMemory(const ModelConfig& config, at::ScalarType dtype, at::Device device)
    : device_(device), vocab_size_(config.vocab_size) {
    constexpr int64_t rows = cuda::kDecodeRowsMax;
    const int64_t hidden = config.hidden_size, query = config.query_size(), kv_heads = config.kv_head_count;
    const auto item = static_cast<int64_t>(c10::elementSize(dtype)), number = static_cast<int64_t>(sizeof(float));
    const auto floats = [&](int64_t count) { return static_cast<float*>(place(count * number)); };
    const auto counters = [&](int64_t count) { return static_cast<uint32_t*>(place(count * number)); };
    places_.stream = floats(rows * hidden);
    places_.after_site = floats(rows * hidden);
    places_.pushed = floats(rows * hidden);
    places_.qkv = floats(rows * (query + 2 * config.kv_size()));
    places_.attended = place(rows * query * item);
    places_.activated = place(rows * config.ffn_size * item);
    places_.partials = floats(rows * cuda::kDecodeSplits * (query + 2 * config.head_count));
    places_.tickets = counters(rows * kv_heads);
    places_.draw_tickets = counters(rows);
    places_.largest = counters(rows);
    places_.sums = static_cast<cuda::DecodeSums*>(place(rows * cuda::kDecodeDrawBlocks * int64_t{sizeof(cuda::DecodeSums)}));
    places_.logits = floats(rows * vocab_size_);
    drawn_.grow(rows * sizeof(cuda::DecodeDrawn));
    places_.drawn = drawn_.as<cuda::DecodeDrawn>();
}

void* DecodeMemory::place(int64_t bytes) {
    owned_.push_back(at::zeros({bytes}, at::TensorOptions(device_).dtype(at::kByte)));
    return owned_.back().data_ptr();
}

bool DecodeMemory::reserve_control(size_t bytes) {
    if (!control_host_.grow(bytes)) return false;
    control_ = at::empty({static_cast<int64_t>(control_host_.size())}, at::TensorOptions(device_).dtype(at::kByte));
    places_.control = static_cast<cuda::DecodeControl*>(control_.data_ptr());
    return true;
}

void DecodeMemory::reserve_readings(size_t count) {
    if (!readings_.grow(sizeof(float) * count)) return;
    const auto size = static_cast<int64_t>(readings_.size() / sizeof(float));
    readings_on_device_ = at::zeros({size}, at::TensorOptions(device_).dtype(at::kFloat));
}

float* DecodeMemory::host_logits() {
    logits_.grow(sizeof(float) * cuda::kDecodeRowsMax * static_cast<size_t>(vocab_size_));
    return logits_.as<float>();
}

} // namespace steer
