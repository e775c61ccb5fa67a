// A linear layer's matrix as it is kept when that is not the dtype which is computed in.
#pragma once

#include "files/dtype.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace steer {

struct PackedMatrix { // [N out, K in]; a group is a run of columns that shares a scale, there are K/g of them in a row
    enum class Form : uint8_t {
        plain, // codes are the numbers
        int8,  // w = code scale
        int4,  // w = (code - zero) scale
        nf4,   // w = levels[code] scale; 4-bit NormalFloat, arXiv 2305.14314
        gguf,  // blocks as a GGUF file has them: gguf_blocks.h
    };
    Form form = Form::plain;
    int64_t columns = 0;
    at::Tensor codes;    // plain [N, K]; int8 i8 [N, K]; of 4 bits u8 [N, K/2], the even column in the low half; gguf u8 [N, bytes]
    at::Tensor scales;   // floating [N, K/g]
    at::Tensor zeros;    // int4: u8 [N, K/g]
    at::Tensor levels;   // nf4: f32 [16]
    at::Tensor group_of; // i64 [K], where groups are no runs (act order of GPTQ); else undefined
    Dtype block{};       // gguf: Q4_0, Q8_0, Q4_K or Q6_K

    int64_t rows() const { return codes.size(0); }
};

// Every tensor that is there: visit(at::Tensor&)
template<class Visit> void for_each_tensor(PackedMatrix& matrix, Visit visit) {
    for (at::Tensor* tensor : {&matrix.codes, &matrix.scales, &matrix.zeros, &matrix.levels, &matrix.group_of})
        if (tensor->defined()) visit(*tensor);
}

// The numbers of rows [begin, begin + count), computed in float32. Plain aten operators, on any device: what kernels that read
// the codes themselves are held against. f32 [count, K]
at::Tensor unpack_rows(const PackedMatrix& matrix, int64_t begin, int64_t count);

// out [N, K], of any floating dtype; rounded to nearest even.
void unpack(const PackedMatrix& matrix, const at::Tensor& out);

// x [n, K] times the transpose, [n, N]; unpacks a piece at a time.
at::Tensor packed_linear(const at::Tensor& x, const PackedMatrix& matrix);

// codes u8 [N, K] below 16 -> [N, K/2]
at::Tensor pack_halves(const at::Tensor& codes);
at::Tensor split_halves(const at::Tensor& codes); // back

} // namespace steer
