// The matrices of a model that are kept packed, and the room that one block's are unpacked into when its turn comes.
#pragma once

#include "torch/decoder.h"
#include "torch/packed_matrix.h"

#include <array>
#include <functional>
#include <optional>
#include <vector>

namespace steer {

// The places of a block where matrices stand: qkv, o, gate_up, down.
using Slots = std::array<at::Tensor BlockWeights::*, 4>;
constexpr Slots kSlots{&BlockWeights::qkv, &BlockWeights::o, &BlockWeights::gate_up, &BlockWeights::down};

// For each slot its matrices, one below the other; none: the block's own tensor is the matrix.
using PackedBlock = std::array<std::vector<PackedMatrix>, kSlots.size()>;

class PackedWeights {
  public:
    // Blocks in their order. Points the block's empty slots to the room.
    void add(PackedBlock packed, BlockWeights& block, at::TensorOptions room);
    void set_head(PackedMatrix head) { head_ = std::move(head); }

    bool any() const { return any_ || head_; }
    const std::optional<PackedMatrix>& head() const { return head_; }
    bool holds(size_t layer, size_t slot) const { return !blocks_[layer][slot].empty(); }

    // Writes a block's numbers into the room, which the blocks share: a block's hold until another is unpacked.
    void unpack(int32_t layer) const;

    // The same through move, with room of its own for the blocks that are handed over: weights of the block in order.
    PackedWeights moved(const std::function<at::Tensor(const at::Tensor&)>& move, std::vector<BlockWeights>& blocks,
                        at::Device to) const;

  private:
    at::Tensor room(size_t slot, const std::vector<PackedMatrix>& matrices, at::TensorOptions options);

    std::vector<PackedBlock> blocks_;
    std::array<at::Tensor, kSlots.size()> room_;
    std::optional<PackedMatrix> head_;
    bool any_ = false;
};

} // namespace steer
