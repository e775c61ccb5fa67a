// Packed matrices in the layout that the device's kernels read: kernels/cuda/packed_tile.h.
#pragma once

#include "kernels/cuda/packed_tile.h"
#include "torch/packed_matrix.h"

#include <optional>
#include <vector>

namespace steer {

struct TiledMatrix { // [N, K], those of a slot one below the other
    PackedMatrix::Form form = PackedMatrix::Form::int4;
    int64_t rows = 0, columns = 0, group = 0;
    bool in_halves = false; // gate_up: a tile's lower rows are those of up
    at::Tensor codes;       // u8, i8 [tiles, K / 64, ...]
    at::Tensor scales;      // [tiles, K / g, 8, ...] of 8 bytes
    at::Tensor levels;      // nf4: f32 [16]
};

cuda::Codes codes_of(PackedMatrix::Form form);

// Nothing where they are of several forms or groups, have an act order, levels that are not bitsandbytes' own, or sizes that
// make no whole tiles.
std::optional<TiledMatrix> tile(const std::vector<PackedMatrix>& matrices, bool in_halves);

// Back, row by row.
PackedMatrix untile(const TiledMatrix& matrix);

} // namespace steer
