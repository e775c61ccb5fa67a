// From a checkpoint's files to the packed tensors that the decoder computes with.
#pragma once

#include "model/backend.h"
#include "model/package.h"
#include "torch/decoder.h"

namespace steer {

struct ModelWeights {
    at::Tensor embedding;  // [vocab, H]
    at::Tensor final_norm; // [H]
    at::Tensor head;       // [vocab, H]; the embedding itself where the checkpoint ties them
    std::vector<BlockWeights> blocks;
};

// Each weight is read once, straight into its place; none is held twice.
ModelWeights load_weights(const Package& package, at::ScalarType dtype, at::Device device, const Progress& progress);

// What load_weights will take.
uint64_t weight_bytes(const ModelConfig& config, at::ScalarType dtype);

} // namespace steer
