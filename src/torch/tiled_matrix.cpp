#include "torch/tiled_matrix.h"

#include "torch/quantise.h"

#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_or.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>

#include <algorithm>

namespace steer {
namespace {

using Form = PackedMatrix::Form;

at::Tensor low_half(const at::Tensor& bytes) { return at::bitwise_and(bytes, 15); }
at::Tensor high_half(const at::Tensor& bytes) { return at::bitwise_right_shift(bytes, 4); }
at::Tensor join(const at::Tensor& low, const at::Tensor& high) { return at::bitwise_or(low, at::bitwise_left_shift(high, 4)); }

// [N, ...] -> [tiles, 8, 2, ...]: the tile's row pairs, upper and lower row
at::Tensor to_pairs(const at::Tensor& rows, bool in_halves) {
    std::vector<int64_t> shape = rows.sizes().vec();
    shape.erase(shape.begin());
    const auto with = [&](std::vector<int64_t> front) {
        front.insert(front.end(), shape.begin(), shape.end());
        return front;
    };
    return in_halves ? rows.reshape(with({2, -1, 8})).movedim(0, 2) : rows.reshape(with({-1, 8, 2}));
}

// [tiles, 8, 2, ...] -> [N, ...]
at::Tensor from_pairs(const at::Tensor& pairs, bool in_halves) {
    return in_halves ? pairs.movedim(2, 0).flatten(0, 2) : pairs.flatten(0, 2);
}

// codes [N, K] -> the layout. A tile's columns: [K/64, 4 lanes, 16]
at::Tensor lay_out(const at::Tensor& codes, Form form, bool in_halves) {
    const at::Tensor at = to_pairs(codes, in_halves).unflatten(3, {-1, 4, 16}); // [tiles, 8, 2, K/64, 4, 16]
    if (form == Form::int8) return at.permute({0, 3, 2, 1, 4, 5}).contiguous(); // [tiles, K/64, 2, 8, 4, 16]
    const at::Tensor lanes = at.permute({0, 3, 1, 4, 2, 5});                    // [tiles, K/64, 8, 4, 2, 16]
    if (form == Form::int4) return join(lanes.select(4, 0), lanes.select(4, 1)).contiguous();
    const at::Tensor words = lanes.unflatten(5, {4, 2, 2}).transpose(4, 5);     // [.., 4 words, 2 rows, 2 bytes, 2 columns]
    return join(words.select(7, 0), words.select(7, 1)).contiguous();
}

at::Tensor lay_back(const at::Tensor& tiles, Form form, bool in_halves) {
    at::Tensor at; // [tiles, 8, 2, K/64, 4, 16]
    if (form == Form::int8) at = tiles.permute({0, 3, 2, 1, 4, 5});
    else if (form == Form::int4) at = at::stack({low_half(tiles), high_half(tiles)}, 4).permute({0, 2, 4, 1, 3, 5});
    else at = at::stack({low_half(tiles), high_half(tiles)}, 7).transpose(4, 5).flatten(5, 7).permute({0, 2, 4, 1, 3, 5});
    return from_pairs(at.flatten(3), in_halves);
}

at::Tensor unpacked_codes(const PackedMatrix& matrix) { // [N, K]
    return matrix.form == Form::int8 ? matrix.codes : split_halves(matrix.codes);
}

at::Tensor joined(const std::vector<PackedMatrix>& matrices, at::Tensor (*part)(const PackedMatrix&)) {
    std::vector<at::Tensor> parts;
    for (const PackedMatrix& matrix : matrices) parts.push_back(part(matrix));
    return at::cat(parts);
}

at::Tensor lay_out_scales(const std::vector<PackedMatrix>& matrices, bool in_halves) {
    const bool has_zeros = matrices.front().form == Form::int4;
    at::Tensor scales = joined(matrices, [](const PackedMatrix& matrix) { return matrix.scales; });
    scales = to_pairs(scales, in_halves).permute({0, 3, 1, 2}); // [tiles, K/g, 8, 2]
    if (!has_zeros) return scales.to(at::kFloat).contiguous();
    const at::Tensor zeros = to_pairs(joined(matrices, [](const PackedMatrix& matrix) { return matrix.zeros; }), in_halves);
    return at::stack({scales, zeros.permute({0, 3, 1, 2}).to(at::kHalf)}, -1).contiguous();
}

bool fits(const PackedMatrix& matrix, const PackedMatrix& like, bool in_halves) {
    const int64_t groups = matrix.scales.defined() ? matrix.scales.size(1) : 0;
    if (matrix.form == Form::plain || matrix.form != like.form || groups != like.scales.size(1) || matrix.group_of.defined()) return false;
    if (matrix.form == Form::int4 && matrix.scales.scalar_type() != at::kHalf) return false;
    if (matrix.form == Form::nf4 && !matrix.levels.equal(make_packed(Form::nf4, 0, 64, 64, matrix.levels.device()).levels)) return false;
    return matrix.rows() % (in_halves ? 8 : 16) == 0 && matrix.columns % cuda::kTileColumns == 0 &&
           matrix.columns / groups % cuda::kTileColumns == 0;
}

} // namespace

cuda::Codes codes_of(Form form) {
    return form == Form::int8 ? cuda::Codes::int8 : form == Form::int4 ? cuda::Codes::int4 : form == Form::nf4 ? cuda::Codes::nf4 : cuda::Codes::dense;
}

std::optional<TiledMatrix> tile(const std::vector<PackedMatrix>& matrices, bool in_halves) {
    const PackedMatrix& first = matrices.front();
    if (first.form == Form::plain || first.form == Form::gguf) return std::nullopt; // no kernel reads GGUF's blocks
    if (!std::all_of(matrices.begin(), matrices.end(), [&](const PackedMatrix& each) { return fits(each, first, in_halves); }))
        return std::nullopt;
    TiledMatrix tiled;
    tiled.form = first.form;
    for (const PackedMatrix& matrix : matrices) tiled.rows += matrix.rows();
    tiled.columns = first.columns, tiled.group = first.columns / first.scales.size(1);
    tiled.in_halves = in_halves;
    tiled.codes = lay_out(joined(matrices, unpacked_codes), first.form, in_halves);
    tiled.scales = lay_out_scales(matrices, in_halves);
    tiled.levels = first.levels;
    return tiled;
}

PackedMatrix untile(const TiledMatrix& tiled) {
    PackedMatrix matrix{tiled.form, tiled.columns, {}, {}, {}, tiled.levels, {}};
    const at::Tensor codes = lay_back(tiled.codes, tiled.form, tiled.in_halves).contiguous();
    matrix.codes = tiled.form == Form::int8 ? codes : pack_halves(codes);
    const auto rows = [&](const at::Tensor& values) { return from_pairs(values.permute({0, 2, 3, 1}), tiled.in_halves).contiguous(); };
    if (tiled.form != Form::int4) {
        matrix.scales = rows(tiled.scales);
        return matrix;
    }
    matrix.scales = rows(tiled.scales.select(-1, 0));
    matrix.zeros = rows(tiled.scales.select(-1, 1)).to(at::kByte);
    return matrix;
}

} // namespace steer
