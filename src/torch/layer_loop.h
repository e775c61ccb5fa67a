// The layer loop: a batch goes through the decoder, and every site is visited.
#pragma once

#include "model/backend.h"
#include "torch/cache_pool.h"
#include "torch/decoder.h"
#include "torch/direction_cache.h"
#include "torch/sites.h"
#include "torch/weights.h"

#include <functional>

namespace steer {

class DecodePath;

class LayerLoop {
  public:
    // fused: on a CUDA device, passes that can go through DecodePath do.
    LayerLoop(const ModelConfig& config, const DecoderCode& code, ModelWeights weights, at::Device device, bool fused = true);
    ~LayerLoop();

    void run(const Batch& batch, const CachePool& cache, Results& results);

    // Copies the weights and lets go of those they were copied from when all are there. moved: bytes so far, the
    // largest number at the end.
    void move_weights(at::Device to, const std::function<void(uint64_t moved)>& progress);

  private:
    bool run_fused(const Batch& batch, const CachePool& cache, Results& results); // false: it cannot go that way
    PassTensors pass_tensors(const Batch& batch) const;
    std::unique_ptr<Sites> make_sites(const Batch& batch);
    at::Tensor head(const at::Tensor& x, std::span<const LogitRow> wanted);

    ModelConfig config_;
    RopeTable rope_;
    ModelWeights weights_;
    Decoder decoder_;
    at::Device device_;
    DirectionCache directions_;
    bool fused_;
    std::unique_ptr<DecodePath> decode_path_; // made when first wanted
};

} // namespace steer
