// The layer loop: a batch goes through the decoder, and every site is visited.
#pragma once

#include "model/backend.h"
#include "torch/cache_pool.h"
#include "torch/decoder.h"
#include "torch/direction_cache.h"
#include "torch/sites.h"
#include "torch/weights.h"

namespace steer {

class LayerLoop {
  public:
    LayerLoop(const ModelConfig& config, ModelWeights weights, at::Device device);

    void run(const Batch& batch, const CachePool& cache, Results& results);

  private:
    PassTensors pass_tensors(const Batch& batch) const;
    std::unique_ptr<Sites> make_sites(const Batch& batch);
    at::Tensor head(const at::Tensor& x, std::span<const LogitRow> wanted);

    ModelConfig config_;
    RopeTable rope_;
    ModelWeights weights_;
    Decoder decoder_;
    at::Device device_;
    DirectionCache directions_;
};

} // namespace steer
