// How a checkpoint holds the matrix of a linear layer: as it is, or packed by one of the methods of quantisation.h.
#pragma once

#include "model/package.h"

namespace steer {

struct StoredLinear {
    QuantMethod form = QuantMethod::none;
    int64_t rows = 0, columns = 0; // [N out, K in]
    int64_t group = 0;             // columns that share a scale

    // none: codes is the matrix itself [N, K]
    // gguf: the same, in blocks of codes' dtype
    // gptq: qweight i32 [K/8, N], scales [K/g, N], qzeros i32 [K/g, N/8], order (g_idx) i32 [K], which may be missing
    // awq:  qweight i32 [K, N/8], scales [K/g, N], qzeros i32 [K/g, N/8]
    // nf4:  weight u8 [N K/2, 1], absmax f32 or u8 [N K/64], quant_map f32 [16]; nested: nested_absmax, nested_quant_map f32
    WeightLocation codes, scales, zeros, order, levels, nested_scales, nested_levels;
    bool zeros_stored_less_1 = false, zeros_are_8 = false; // gptq
    int64_t nested_group = 0;         // nf4: scales that share a scale of their own; 0: scales are numbers
    float nested_offset = 0.0f;

    std::vector<WeightLocation> parts() const; // all that are there, in this order
};

// Of an expected weight that is a linear's matrix. Every part's shape and dtype is checked; STEER_ERR_FORMAT with the file and
// the tensor's name.
StoredLinear find_linear(const Package& package, const WeightShape& matrix);

} // namespace steer
