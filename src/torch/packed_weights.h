// The matrices of a model that are kept packed, and the room that one block's are unpacked into when its turn comes.
#pragma once

#include "torch/decoder.h"
#include "torch/packed_matrix.h"
#include "torch/tiled_matrix.h"

#include <array>
#include <functional>
#include <optional>
#include <vector>

namespace steer {

// The places of a block where matrices stand: qkv, o, gate_up, down.
using Slots = std::array<at::Tensor BlockWeights::*, 4>;
constexpr Slots kSlots{&BlockWeights::qkv, &BlockWeights::o, &BlockWeights::gate_up, &BlockWeights::down};

// A slot's matrices: one below the other, or in tiles. None: the block's own tensor is the matrix.
struct PackedSlot {
    std::vector<PackedMatrix> matrices;
    std::optional<TiledMatrix> tiles;

    bool any() const { return tiles || !matrices.empty(); }
    int64_t rows() const;
    int64_t columns() const { return tiles ? tiles->columns : matrices.front().columns; }
    void to_tiles(bool in_halves); // where that can be
    void unpack(const at::Tensor& out) const;
};
using PackedBlock = std::array<PackedSlot, kSlots.size()>;

class PackedWeights {
  public:
    // Blocks in their order. Points the block's empty slots to the room. in_tiles: for kernels that read codes.
    void add(PackedBlock packed, BlockWeights& block, at::TensorOptions room, bool in_tiles);
    void set_head(PackedMatrix head, bool in_tiles);

    bool all_in_tiles() const; // what is packed
    const PackedSlot& head() const { return head_; }
    const PackedSlot& slot(size_t layer, size_t slot) const { return blocks_[layer][slot]; }

    // Writes a block's numbers into the room, which the blocks share: a block's hold until another is unpacked.
    void unpack(int32_t layer) const;
    at::Tensor head_logits(const at::Tensor& x) const; // x [n, H] -> [n, vocab]

    // The same through move, with room of its own for the blocks that are handed over: weights of the block in order.
    PackedWeights moved(const std::function<at::Tensor(const at::Tensor&)>& move, std::vector<BlockWeights>& blocks,
                        at::Device to) const;

  private:
    at::Tensor room(size_t slot, const PackedSlot& packed, at::TensorOptions options);

    std::vector<PackedBlock> blocks_;
    std::array<at::Tensor, kSlots.size()> room_;
    PackedSlot head_;
};

} // namespace steer
