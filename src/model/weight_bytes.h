// How much memory a model's weights will take, said before any is read.
#pragma once

#include "model/package.h"

namespace steer {

// item: bytes of a number that is not packed. packing: STEER_WEIGHTS_*. The room for one block's unpacked matrices is in it.
// STEER_ERR_UNSUPPORTED where the checkpoint cannot be packed so.
uint64_t weight_bytes(const Package& package, uint64_t item, int32_t packing);

// Columns that share a scale in a matrix that is packed as it is loaded: int8 all, int4 128, or 64 or 32 where 128 does not
// divide them, nf4 64. name is for messages: STEER_ERR_UNSUPPORTED where no group divides columns.
int64_t packing_group(int32_t packing, int64_t columns, const std::string& name);

} // namespace steer
