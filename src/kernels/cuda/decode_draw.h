// The last kernel of a decode step: tokens from logits.
#pragma once

#include "kernels/cuda/decode.h"

namespace steer::cuda {

cudaError_t queue_draw(const DecodeDevice& device, const DecodeMemory& memory, int32_t vocab_size, int32_t rows, cudaStream_t queue);

} // namespace steer::cuda
