#include "torch/observers.h"

#include <ATen/ops/empty.h>

namespace steer {

void show_to_observers(const Batch& batch, int32_t site, at::Tensor& x) {
    for (const BatchRow& row : batch.rows) {
        if (row.observer == nullptr || !row.observer->sites[static_cast<size_t>(site + 1)]) continue;
        at::Tensor part = x.narrow(0, row.token_begin, row.token_count); // [n, H], in x
        const at::Tensor host = at::empty(part.sizes(), at::kFloat).copy_(part);
        const int32_t position = batch.positions[static_cast<size_t>(row.token_begin)];
        const bool edited = row.observer->look(site, position, host.data_ptr<float>(), static_cast<size_t>(row.token_count));
        if (edited) part.copy_(host);
    }
}

} // namespace steer
