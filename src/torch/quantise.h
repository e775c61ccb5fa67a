// Weights packed as they are loaded: STEER_WEIGHTS_INT8, _INT4 and _NF4.
#pragma once

#include "torch/packed_matrix.h"

#include <string>

namespace steer {

// int8: a scale for each row, |w|max / 127.
// int4: (max - min) / 15 and a zero point, float16, for each group of columns.
// nf4:  |w|max for each 64 columns, the nearest of bitsandbytes' 16 levels.
// weights: STEER_WEIGHTS_*.
PackedMatrix::Form quantise_form(int32_t weights);

// Room for a matrix; its levels are there, codes and scales are not yet.
PackedMatrix make_packed(PackedMatrix::Form form, int64_t rows, int64_t columns, int64_t group, at::Device device);

// Fills rows from begin on. numbers: floating [n, K], on the matrix' device. STEER_ERR_FORMAT where one is not finite.
void quantise_rows(PackedMatrix& matrix, int64_t begin, const at::Tensor& numbers, const std::string& name);

} // namespace steer
