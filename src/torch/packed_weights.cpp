#include "torch/packed_weights.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace steer {
namespace {

constexpr size_t kGateUp = 2; // of kSlots

void move_slot(PackedSlot& slot, const std::function<at::Tensor(const at::Tensor&)>& move) {
    for (PackedMatrix& matrix : slot.matrices) for_each_tensor(matrix, [&](at::Tensor& tensor) { tensor = move(tensor); });
    if (!slot.tiles) return;
    for (at::Tensor* tensor : {&slot.tiles->codes, &slot.tiles->scales, &slot.tiles->levels})
        if (tensor->defined()) *tensor = move(*tensor);
}

} // namespace

int64_t PackedSlot::rows() const {
    int64_t rows = tiles ? tiles->rows : 0;
    for (const PackedMatrix& matrix : matrices) rows += matrix.rows();
    return rows;
}

void PackedSlot::to_tiles(bool in_halves) {
    tiles = tile(matrices, in_halves);
    if (tiles) matrices.clear();
}

void PackedSlot::unpack(const at::Tensor& out) const {
    if (tiles) return steer::unpack(untile(*tiles), out);
    int64_t row = 0;
    for (const PackedMatrix& matrix : matrices) {
        steer::unpack(matrix, out.narrow(0, row, matrix.rows()));
        row += matrix.rows();
    }
}

void PackedWeights::add(PackedBlock packed, BlockWeights& block, at::TensorOptions options, bool in_tiles) {
    for (size_t slot = 0; slot < kSlots.size(); slot++) {
        if (!packed[slot].any()) continue;
        if (in_tiles && !packed[slot].tiles) packed[slot].to_tiles(slot == kGateUp);
        block.*kSlots[slot] = room(slot, packed[slot], options);
    }
    blocks_.push_back(std::move(packed));
}

void PackedWeights::set_head(PackedMatrix head, bool in_tiles) {
    head_.matrices.push_back(std::move(head));
    if (in_tiles) head_.to_tiles(false);
}

bool PackedWeights::all_in_tiles() const {
    const auto right = [](const PackedSlot& slot) { return slot.tiles || !slot.any(); };
    return right(head_) && std::all_of(blocks_.begin(), blocks_.end(), [&](const PackedBlock& block) { return std::all_of(block.begin(), block.end(), right); });
}

at::Tensor PackedWeights::room(size_t slot, const PackedSlot& packed, at::TensorOptions options) {
    if (!room_[slot].defined()) room_[slot] = at::empty({packed.rows(), packed.columns()}, options);
    return room_[slot];
}

void PackedWeights::unpack(int32_t layer) const {
    if (blocks_.empty()) return;
    const PackedBlock& block = blocks_[static_cast<size_t>(layer)];
    for (size_t slot = 0; slot < kSlots.size(); slot++)
        if (block[slot].any()) block[slot].unpack(room_[slot]);
}

at::Tensor PackedWeights::head_logits(const at::Tensor& x) const {
    return packed_linear(x, head_.tiles ? untile(*head_.tiles) : head_.matrices.front());
}

PackedWeights PackedWeights::moved(const std::function<at::Tensor(const at::Tensor&)>& move, std::vector<BlockWeights>& blocks,
                                   at::Device to) const {
    PackedWeights there;
    for (size_t layer = 0; layer < blocks_.size(); layer++) {
        PackedBlock block = blocks_[layer];
        for (PackedSlot& slot : block) move_slot(slot, move);
        there.add(std::move(block), blocks[layer], blocks[layer].input_norm.options().device(to), false);
    }
    there.head_ = head_;
    move_slot(there.head_, move);
    return there;
}

} // namespace steer
