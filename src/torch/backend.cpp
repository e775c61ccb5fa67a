#include "files/error.h"
#include "model/backend.h"
#include "torch/device.h"
#include "torch/layer_loop.h"
#include "torch/open.h"
#include "torch/torch_errors.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

namespace steer {
namespace {

constexpr uint64_t kWidenMax = 2ull << 30; // checkpoints up to this size, as stored, are computed in float32 on the CPU

at::ScalarType choose_dtype(int32_t asked, const Package& package, at::Device device) {
    switch (asked) {
    case STEER_DTYPE_F32: return at::kFloat;
    case STEER_DTYPE_F16: return at::kHalf;
    case STEER_DTYPE_BF16: return at::kBFloat16;
    default: break;
    }
    const at::ScalarType stored = package.stored_dtype == Dtype::f32   ? at::kFloat
                                  : package.stored_dtype == Dtype::f16 ? at::kHalf
                                                                       : at::kBFloat16;
    const bool small = weight_bytes(package.config, stored) <= kWidenMax;
    return device.is_cpu() && small ? at::kFloat : stored;
}

class TorchBackend : public Backend {
  public:
    TorchBackend(std::shared_ptr<const Package> package, const BackendOptions& options)
        : package_(std::move(package)),
          options_(options),
          device_(choose_device(options.device)),
          dtype_(choose_dtype(options.dtype, *package_, device_)),
          cache_(package_->config, dtype_, device_) {}

    void load(const Progress& progress) override {
        on_device([&] {
            check_memory(weight_bytes(package_->config, dtype_));
            loop_ = std::make_unique<LayerLoop>(package_->config, load_weights(*package_, dtype_, device_, progress), device_);
        });
    }

    BackendMemory memory() const override {
        BackendMemory memory;
        memory.weight_bytes = weight_bytes(package_->config, dtype_);
        memory.cache_bytes_per_token = cache_.block_bytes() / kBlockSize;
        memory.used = (loop_ ? memory.weight_bytes : 0) + cache_.bytes();
        memory.free = free_memory(device_);
        return memory;
    }

    int32_t device() const override { return device_.is_cpu() ? -1 : device_.index(); }

    int32_t dtype() const override {
        return dtype_ == at::kFloat ? STEER_DTYPE_F32 : dtype_ == at::kHalf ? STEER_DTYPE_F16 : STEER_DTYPE_BF16;
    }

    void reserve_blocks(int32_t count) override {
        on_device([&] {
            check_memory(memory().weight_bytes + static_cast<uint64_t>(count) * cache_.block_bytes());
            cache_.reserve(count);
        });
    }

    void copy_block(BlockId from, BlockId to) override {
        on_device([&] { cache_.copy(from, to); });
    }

    Ticket submit(const Batch& batch) override {
        if (batch.observer != nullptr) fail(STEER_ERR_UNSUPPORTED, "observers are not built yet");
        for (const BatchRow& row : batch.rows)
            if (!row.adapters.empty()) fail(STEER_ERR_UNSUPPORTED, "adapters are not built yet");
        pending_ = batch;
        return ++ticket_;
    }

    // The reference path has nothing to overlap with: the pass runs here.
    void wait(Ticket ticket, Results& results) override {
        if (ticket != ticket_ || !loop_) fail(STEER_ERR_INTERNAL, "no pass was submitted under this ticket");
        on_device([&] {
            results = {};
            loop_->run(pending_, cache_, results);
        });
    }

  private:
    // The host's own device and modes are as before when body is done.
    template<class Body> void on_device(Body body) {
        with_torch_errors([&] {
            const c10::InferenceMode inference;
            const c10::OptionalDeviceGuard device(device_.is_cpu() ? std::nullopt : std::optional(device_));
            body();
        });
    }

    void check_memory(uint64_t needed) const {
        if (options_.memory_max != 0 && needed > options_.memory_max)
            fail(device_.is_cpu() ? STEER_ERR_MEMORY : STEER_ERR_DEVICE_MEMORY,
                 "{} bytes are needed, device_memory_max allows {}", needed, options_.memory_max);
    }

    std::shared_ptr<const Package> package_;
    BackendOptions options_;
    at::Device device_;
    at::ScalarType dtype_;
    CachePool cache_;
    std::unique_ptr<LayerLoop> loop_;
    Batch pending_;
    Ticket ticket_ = 0;
};

} // namespace

std::unique_ptr<Backend> open_torch_backend(std::shared_ptr<const Package> package, const BackendOptions& options) {
    if (options.weights != STEER_WEIGHTS_AS_STORED)
        fail(STEER_ERR_UNSUPPORTED, "quantised weights are not built yet; use STEER_WEIGHTS_AS_STORED");
    return with_torch_errors([&] { return std::make_unique<TorchBackend>(std::move(package), options); });
}

} // namespace steer
