#include "torch/packed_matrix.h"

#include "torch/gguf_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_or.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/stack.h>

#include <algorithm>

namespace steer {
namespace {

// Elements that are unpacked at a time: on the CPU what a cache holds, on a device what keeps it busy.
int64_t piece_rows(const PackedMatrix& matrix) {
    const int64_t elements = matrix.codes.device().is_cpu() ? int64_t{1} << 18 : int64_t{1} << 26;
    return std::max<int64_t>(1, elements / matrix.columns);
}

// [n, K/g] -> [n, K/g, 1], or what each column has [n, K, 1]
at::Tensor of_groups(const at::Tensor& values, const PackedMatrix& matrix) {
    const at::Tensor wide = values.to(at::kFloat);
    return (matrix.group_of.defined() ? wide.index_select(1, matrix.group_of) : wide).unsqueeze(-1);
}

} // namespace

at::Tensor pack_halves(const at::Tensor& codes) {
    const at::Tensor pairs = codes.view({codes.size(0), -1, 2});
    return at::bitwise_or(pairs.select(2, 0), at::bitwise_left_shift(pairs.select(2, 1), 4));
}

at::Tensor split_halves(const at::Tensor& codes) {
    return at::stack({at::bitwise_and(codes, 15), at::bitwise_right_shift(codes, 4)}, -1).flatten(1);
}

at::Tensor unpack_rows(const PackedMatrix& matrix, int64_t begin, int64_t count) {
    const at::Tensor codes = matrix.codes.narrow(0, begin, count);
    if (matrix.form == PackedMatrix::Form::plain) return codes.to(at::kFloat);
    if (matrix.form == PackedMatrix::Form::gguf) return dequantise_blocks(codes, matrix.block);
    const at::Tensor scales = of_groups(matrix.scales.narrow(0, begin, count), matrix);
    at::Tensor numbers;
    switch (matrix.form) {
    case PackedMatrix::Form::int4: numbers = split_halves(codes).to(at::kFloat); break;
    case PackedMatrix::Form::nf4:
        numbers = at::index_select(matrix.levels, 0, split_halves(codes).flatten().to(at::kInt));
        break;
    default: numbers = codes.to(at::kFloat); break;
    }
    numbers = numbers.view({count, scales.size(1), -1}); // [n, K/g, g]
    if (matrix.form == PackedMatrix::Form::int4) numbers = numbers - of_groups(matrix.zeros.narrow(0, begin, count), matrix);
    return (numbers * scales).view({count, matrix.columns});
}

void unpack(const PackedMatrix& matrix, const at::Tensor& out) {
    const int64_t step = piece_rows(matrix);
    for (int64_t row = 0; row < matrix.rows(); row += step) {
        const int64_t count = std::min(step, matrix.rows() - row);
        out.narrow(0, row, count).copy_(unpack_rows(matrix, row, count));
    }
}

at::Tensor packed_linear(const at::Tensor& x, const PackedMatrix& matrix) {
    std::vector<at::Tensor> parts;
    const int64_t step = piece_rows(matrix);
    for (int64_t row = 0; row < matrix.rows(); row += step) {
        const int64_t count = std::min(step, matrix.rows() - row);
        parts.push_back(at::linear(x, unpack_rows(matrix, row, count).to(x.scalar_type())));
    }
    return at::cat(parts, -1);
}

} // namespace steer
