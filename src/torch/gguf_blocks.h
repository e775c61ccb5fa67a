// Weights in GGUF's blocks, back to numbers: by plain tensor operators, so the same on every device.
#pragma once

#include "files/dtype.h"

#include <ATen/core/Tensor.h>

namespace steer {

// bytes: uint8 [rows, bytes of a row], whole blocks of dtype, which is F32, F16, BF16, Q4_0, Q8_0, Q4_K or Q6_K.
// Returns float32 [rows, elements of a row] on the same device, with the bits that gguf-py's dequantize gives: scales are
// multiplied with each other before they meet a weight, and every product and difference is rounded on its own.
at::Tensor dequantise_blocks(const at::Tensor& bytes, Dtype dtype);

} // namespace steer
