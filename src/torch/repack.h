// From what a quantised checkpoint stores to PackedMatrix: the same numbers in one layout.
#pragma once

#include "model/stored_linear.h"
#include "torch/packed_matrix.h"

#include <functional>

namespace steer {

using ReadPart = std::function<at::Tensor(const WeightLocation& place)>; // as stored, on the device that is wanted

PackedMatrix repack(const StoredLinear& linear, const ReadPart& read);

} // namespace steer
