// From a checkpoint's files to what the decoder computes with.
#pragma once

#include "model/backend.h"
#include "model/package.h"
#include "torch/decoder.h"
#include "torch/packed_weights.h"

namespace steer {

struct ModelWeights {
    at::Tensor embedding;  // [vocab, H]
    at::Tensor final_norm; // [H]
    at::Tensor head;       // [vocab, H]; the embedding itself where the checkpoint ties them; undefined: packed has it
    std::vector<BlockWeights> blocks;
    PackedWeights packed;
};

struct WeightFormat {
    at::ScalarType dtype; // of the numbers that are computed with, and of all that is not packed
    int32_t packing = 0;  // STEER_WEIGHTS_*: linear layers and the head are packed as they are read
    bool in_tiles = false; // packed matrices lie as the device's kernels read them
};

// Each weight is read once, straight into its place; none is held twice.
ModelWeights load_weights(const Package& package, const WeightFormat& format, at::Device device, const Progress& progress);

} // namespace steer
