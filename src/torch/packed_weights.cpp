#include "torch/packed_weights.h"

#include <ATen/ops/empty.h>

namespace steer {

void PackedWeights::add(PackedBlock packed, BlockWeights& block, at::TensorOptions options) {
    for (size_t slot = 0; slot < kSlots.size(); slot++) {
        if (packed[slot].empty()) continue;
        block.*kSlots[slot] = room(slot, packed[slot], options);
        any_ = true;
    }
    blocks_.push_back(std::move(packed));
}

at::Tensor PackedWeights::room(size_t slot, const std::vector<PackedMatrix>& matrices, at::TensorOptions options) {
    int64_t rows = 0;
    for (const PackedMatrix& matrix : matrices) rows += matrix.rows();
    if (!room_[slot].defined()) room_[slot] = at::empty({rows, matrices.front().columns}, options);
    return room_[slot];
}

void PackedWeights::unpack(int32_t layer) const {
    if (blocks_.empty()) return;
    const PackedBlock& block = blocks_[static_cast<size_t>(layer)];
    for (size_t slot = 0; slot < kSlots.size(); slot++) {
        int64_t row = 0;
        for (const PackedMatrix& matrix : block[slot]) {
            steer::unpack(matrix, room_[slot].narrow(0, row, matrix.rows()));
            row += matrix.rows();
        }
    }
}

PackedWeights PackedWeights::moved(const std::function<at::Tensor(const at::Tensor&)>& move, std::vector<BlockWeights>& blocks,
                                   at::Device to) const {
    const auto move_all = [&](PackedMatrix& matrix) { for_each_tensor(matrix, [&](at::Tensor& tensor) { tensor = move(tensor); }); };
    PackedWeights there;
    for (size_t layer = 0; layer < blocks_.size(); layer++) {
        PackedBlock block = blocks_[layer];
        for (auto& matrices : block)
            for (PackedMatrix& matrix : matrices) move_all(matrix);
        there.add(std::move(block), blocks[layer], blocks[layer].input_norm.options().device(to));
    }
    there.head_ = head_;
    if (there.head_) move_all(*there.head_);
    return there;
}

} // namespace steer
