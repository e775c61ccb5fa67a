#include "files/error.h"
#include "model/backend.h"
#include "model/weight_bytes.h"
#include "torch/decoder_module.h"
#include "torch/device.h"
#include "torch/layer_loop.h"
#include "torch/open.h"
#include "torch/torch_errors.h"
#ifdef STEER_CUDA
#include "kernels/cuda/decode.h"
#endif

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

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
    const bool small = weight_bytes(package, c10::elementSize(stored), STEER_WEIGHTS_AS_STORED) <= kWidenMax;
    return device.is_cpu() && small ? at::kFloat : stored;
}

// Whether packed matrices are wanted in the layout of the kernels that decode from them.
bool reads_tiles(at::Device device, at::ScalarType dtype) {
#ifdef STEER_CUDA
    return device.is_cuda() && dtype != at::kFloat && cuda::decodes_packed(dtype == at::kHalf ? cuda::Stream::f16 : cuda::Stream::bf16);
#else
    static_cast<void>(device), static_cast<void>(dtype);
    return false;
#endif
}

class TorchBackend : public Backend {
  public:
    TorchBackend(std::shared_ptr<const Package> package, const BackendOptions& options, bool fused)
        : package_(std::move(package)),
          options_(options),
          device_(choose_device(options.device)),
          dtype_(choose_dtype(options.dtype, *package_, device_)),
          format_{dtype_, options.weights, fused && reads_tiles(device_, dtype_)},
          weight_bytes_(weight_bytes(*package_, c10::elementSize(dtype_), options.weights)),
          cache_(package_->config, dtype_, device_),
          fused_(fused) {}

    ~TorchBackend() override {
        loop_.reset();
        cache_.clear();
        give_back_memory();
    }

    void load(Place place, const Progress& progress) override {
        on_device([&] {
            if (place == Place::device) check_memory(weight_bytes_);
            const at::Device where = place == Place::device ? device_ : at::kCPU;
            const DecoderCode code{package_->decoder_archive, join_path(package_->folder, kDecoderArchive)};
            loop_ = std::make_unique<LayerLoop>(package_->config, code, load_weights(*package_, format_, where, progress), device_, fused_);
            cache_.adopt({}, where);
            place_ = place;
        });
    }

    void move(Place place, const Progress& progress) override {
        if (place == place_) return;
        on_device([&] {
            const at::Device where = place == Place::device ? device_ : at::kCPU;
            const uint64_t total = std::max<uint64_t>(1, weight_bytes_ + cache_.bytes());
            const auto told = [&](uint64_t moved) {
                if (progress && !progress(std::min(1.0f, static_cast<float>(moved) / static_cast<float>(total))))
                    fail(STEER_ERR_CANCELLED, "moving {} was cancelled by the progress callback", package_->folder);
            };
            if (place == Place::device) check_memory(weight_bytes_ + cache_.bytes());
            at::Tensor blocks = cache_.copy_to(where); // kept when the weights are there too
            loop_->move_weights(where, told);
            cache_.adopt(std::move(blocks), where);
            place_ = place;
        });
        give_back_memory();
    }

    BackendMemory memory() const override {
        BackendMemory memory;
        memory.weight_bytes = weight_bytes_;
        memory.cache_bytes_per_token = cache_.block_bytes() / kBlockSize;
        memory.used = place_ == Place::host && !device_.is_cpu() ? 0 : (loop_ ? memory.weight_bytes : 0) + cache_.bytes();
        memory.free = free_memory(device_);
        return memory;
    }

    int32_t device() const override { return device_.is_cpu() ? -1 : device_.index(); }

    int32_t dtype() const override {
        return dtype_ == at::kFloat ? STEER_DTYPE_F32 : dtype_ == at::kHalf ? STEER_DTYPE_F16 : STEER_DTYPE_BF16;
    }

    std::string decoder_archive() const override {
        return with_torch_errors([&] { return write_decoder_module(make_decoder_module(package_->config, device_.is_cpu())); });
    }

    void reserve_blocks(int32_t count) override {
        on_device([&] {
            if (place_ == Place::device) check_memory(memory().weight_bytes + static_cast<uint64_t>(count) * cache_.block_bytes());
            cache_.reserve(count);
        });
    }

    void copy_block(BlockId from, BlockId to) override {
        on_device([&] { cache_.copy(from, to); });
    }

    void read_block(BlockId block, int32_t position_count, void* bytes) override {
        on_device([&] { cache_.read(block, position_count, bytes); });
    }
    void write_block(BlockId block, const void* bytes) override {
        on_device([&] { cache_.write(block, bytes); });
    }
    std::string cache_format() const override { return cache_.format(); }

    Ticket submit(const Batch& batch) override {
        for (const BatchRow& row : batch.rows)
            if (!row.adapters.empty()) fail(STEER_ERR_UNSUPPORTED, "adapters are not built yet");
        pending_ = batch;
        return ++ticket_;
    }

    // The reference path has nothing to overlap with: the pass runs here.
    void wait(Ticket ticket, Results& results) override {
        if (ticket != ticket_ || !loop_ || place_ != Place::device) fail(STEER_ERR_INTERNAL, "no pass was submitted under this ticket");
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

    // libtorch keeps what was let go of; others may want it.
    void give_back_memory() noexcept {
        if (device_.is_cpu()) return;
        try {
            on_device([&] { at::getDeviceAllocator(device_.type())->emptyCache(); });
        } catch (const Error&) { // a device that is lost has nothing to give
        }
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
    WeightFormat format_;
    uint64_t weight_bytes_;
    CachePool cache_;
    bool fused_;
    std::unique_ptr<LayerLoop> loop_;
    Place place_ = Place::device;
    Batch pending_;
    Ticket ticket_ = 0;
};

std::unique_ptr<Backend> open(std::shared_ptr<const Package> package, const BackendOptions& options, bool fused) {
    return with_torch_errors([&] { return std::make_unique<TorchBackend>(std::move(package), options, fused); });
}

} // namespace

std::unique_ptr<Backend> open_torch_backend(std::shared_ptr<const Package> package, const BackendOptions& options) {
    return open(std::move(package), options, true);
}

std::unique_ptr<Backend> open_reference_backend(std::shared_ptr<const Package> package, const BackendOptions& options) {
    return open(std::move(package), options, false);
}

} // namespace steer
