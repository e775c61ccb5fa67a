// Those who look at the stream of a pass, or change it, from outside.
#pragma once

#include "model/backend.h"

#include <ATen/core/Tensor.h>

namespace steer {

// x [T, H] as it leaves a site: the rows that are observed there are shown, and written back where they were edited.
void show_to_observers(const Batch& batch, int32_t site, at::Tensor& x);

} // namespace steer
