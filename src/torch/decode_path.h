// The fast path on a CUDA device: one token for each of a few conversations as one captured graph, from the embedding to the
// drawn tokens. What it cannot do, and prompts, go through LayerLoop's reference path, which tests hold it against.
#pragma once

#include "torch/cache_pool.h"
#include "torch/decode_memory.h"
#include "torch/decode_tables.h"
#include "torch/decoder.h"
#include "torch/step_graph.h"
#include "torch/weights.h"

#include <array>

namespace steer {

class DecodePath {
  public:
    // Of weights that stay where they are; what is packed lies in tiles. blocks: weights' own have gone to the modules.
    DecodePath(const ModelConfig& config, const RopeTable& rope, const ModelWeights& weights, const std::vector<BlockWeights>& blocks,
               at::Device device);

    // One new token in each row, pushed by adds alone, read by gauges alone.
    bool takes(const Batch& batch) const;
    void run(const Batch& batch, const CachePool& cache, Results& results);

  private:
    size_t fill_control(const Batch& batch, const CachePool& cache); // bytes to be sent
    cuda::DecodeControl control_of(const Batch& batch);
    StepGraph& graph(size_t rows);
    void tell(const Batch& batch, const float* logits, Results& results);

    at::Device device_;
    at::Tensor frequencies_;
    ModelWeights weights_; // keeps what layers_ and model_ point to
    std::vector<cuda::DecodeLayer> layers_;
    cuda::DecodeModel model_{};
    cuda::DecodeDevice about_{};
    DecodeTables tables_;
    DecodeMemory memory_;
    std::vector<BlockId> block_ids_;
    std::array<StepGraph, 3> graphs_; // of 1, 2 and 4 rows
};

} // namespace steer
