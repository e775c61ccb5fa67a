#include "torch/direction_cache.h"

#include "torch/upload.h"

namespace steer {

constexpr uint64_t kKeptBytesMax = 512u << 20;

const float* DirectionCache::on_device(const float* direction, uint64_t key, int32_t size, at::Device device) {
    const auto found = kept_.find(key);
    if (key != 0 && found != kept_.end()) return found->second.const_data_ptr<float>();
    at::Tensor copy = upload<float>(std::span<const float>(direction, static_cast<size_t>(size)), device);
    const float* data = copy.const_data_ptr<float>();
    if (key == 0) for_this_pass_.push_back(std::move(copy));
    else kept_.emplace(key, std::move(copy));
    kept_bytes_ += key == 0 ? 0 : sizeof(float) * static_cast<uint64_t>(size);
    return data;
}

void DirectionCache::begin_pass() {
    for_this_pass_.clear();
    if (kept_bytes_ <= kKeptBytesMax) return;
    kept_.clear();
    kept_bytes_ = 0;
}

} // namespace steer
