#include "torch/gguf_blocks.h"

#include "files/error.h"

#include <ATen/ops/cat.h>

#include <vector>

namespace steer {
namespace {

constexpr int64_t kMany = 256; // weights of a block of Q4_K and Q6_K

// So many bytes of each block, from one on: [blocks, size].
at::Tensor part(const at::Tensor& blocks, int64_t begin, int64_t size) { return blocks.narrow(1, begin, size); }

// The same bytes as numbers of another kind, in float32: [blocks, numbers]. A view needs them to lie together.
at::Tensor as_float(const at::Tensor& bytes, at::ScalarType kind) { return bytes.contiguous().view(kind).to(at::kFloat); }

// `bits` bits of each byte of the last dimension, from several places: those of the first place, then those of the next.
at::Tensor split_bits(const at::Tensor& bytes, std::initializer_list<int64_t> places, int64_t bits) {
    std::vector<at::Tensor> pieces;
    for (const int64_t place : places) pieces.push_back(bytes.bitwise_right_shift(place).bitwise_and((1 << bits) - 1));
    return at::cat(pieces, -1);
}

// f16 scale, then 16 bytes: weight j in the low half of byte j, weight j + 16 in the high half.
at::Tensor q4_0(const at::Tensor& blocks) {
    const at::Tensor q = split_bits(part(blocks, 2, 16), {0, 4}, 4).to(at::kFloat).sub(8.0);
    return q.mul(as_float(part(blocks, 0, 2), at::kHalf));
}

// f16 scale, then 32 signed bytes.
at::Tensor q8_0(const at::Tensor& blocks) {
    return as_float(part(blocks, 2, 32), at::kChar).mul(as_float(part(blocks, 0, 2), at::kHalf));
}

// f16 scale of scales, f16 scale of minima, 12 bytes with a scale and a minimum of 6 bits for each of 8 groups, then 128
// bytes: each 32 of them hold one group in their low halves and the next in their high ones.
at::Tensor q4_k(const at::Tensor& blocks) {
    const int64_t count = blocks.size(0);
    // Groups 0 to 3 have their six bits at the bottom of a byte; 4 to 7 have four in a half of the last four bytes, and two
    // at the top of the bytes of groups 0 to 3.
    const at::Tensor scales = part(blocks, 4, 4), minima = part(blocks, 8, 4), rest = part(blocks, 12, 4);
    const auto six_bits = [](const at::Tensor& bytes, const at::Tensor& low) {
        const at::Tensor high = bytes.bitwise_right_shift(6).bitwise_left_shift(4);
        return at::cat({bytes.bitwise_and(63), low.bitwise_or(high)}, 1).to(at::kFloat);
    };
    const at::Tensor scale = as_float(part(blocks, 0, 2), at::kHalf).mul(six_bits(scales, rest.bitwise_and(15)));
    const at::Tensor minimum = as_float(part(blocks, 2, 2), at::kHalf).mul(six_bits(minima, rest.bitwise_right_shift(4)));
    const at::Tensor q = split_bits(part(blocks, 16, 128).reshape({count, 4, 32}), {0, 4}, 4).reshape({count, 8, 32});
    return q.to(at::kFloat).mul(scale.unsqueeze(2)).sub(minimum.unsqueeze(2)).reshape({count, kMany});
}

// 128 bytes of low four bits, 64 of high two, 16 signed scales, f16 scale of scales. Each half of the block has 64 bytes of
// the first, whose low halves come before the high ones, and 32 of the second with four weights in each byte.
at::Tensor q6_k(const at::Tensor& blocks) {
    const int64_t count = blocks.size(0);
    const at::Tensor low = split_bits(part(blocks, 0, 128).reshape({count, 2, 64}), {0, 4}, 4);
    const at::Tensor high = split_bits(part(blocks, 128, 64).reshape({count, 2, 32}), {0, 2, 4, 6}, 2);
    const at::Tensor q = low.bitwise_or(high.bitwise_left_shift(4)).reshape({count, 16, 16}).to(at::kFloat).sub(32.0);
    const at::Tensor scale = as_float(part(blocks, 208, 2), at::kHalf).mul(as_float(part(blocks, 192, 16), at::kChar));
    return q.mul(scale.unsqueeze(2)).reshape({count, kMany});
}

at::Tensor weights_of(const at::Tensor& blocks, Dtype dtype) {
    switch (dtype) {
    case Dtype::f32: return as_float(blocks, at::kFloat);
    case Dtype::f16: return as_float(blocks, at::kHalf);
    case Dtype::bf16: return as_float(blocks, at::kBFloat16);
    case Dtype::q4_0: return q4_0(blocks);
    case Dtype::q8_0: return q8_0(blocks);
    case Dtype::q4_k: return q4_k(blocks);
    case Dtype::q6_k: return q6_k(blocks);
    default: fail(STEER_ERR_INTERNAL, "dequantise_blocks: {} is no type of a weight in GGUF", dtype_name(dtype));
    }
}

} // namespace

at::Tensor dequantise_blocks(const at::Tensor& bytes, Dtype dtype) {
    const DtypeBlock block = dtype_block(dtype);
    const int64_t rows = bytes.size(0), row_bytes = bytes.size(1), size = static_cast<int64_t>(block.bytes);
    if (row_bytes % size != 0)
        fail(STEER_ERR_INTERNAL, "dequantise_blocks: rows of {} bytes are no whole blocks of {}", row_bytes, dtype_name(dtype));
    const int64_t elements = row_bytes / size * static_cast<int64_t>(block.elements);
    return weights_of(bytes.reshape({-1, size}), dtype).reshape({rows, elements});
}

} // namespace steer
