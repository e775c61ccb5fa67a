// What libsteer finds when it loads this library.
#include "model/backend_entry.h"
#include "torch/open.h"
#include "torch/torch_errors.h"

#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

namespace steer {
namespace {

void set_threads(int32_t intra_op, int32_t inter_op) {
    with_torch_errors([&] {
        if (intra_op > 0) at::set_num_threads(intra_op);
        if (inter_op > 0) at::set_num_interop_threads(inter_op);
    });
}

std::string build_info() { return "libtorch " TORCH_VERSION; }

} // namespace
} // namespace steer

extern "C" STEER_API const steer::BackendEntry* steer_torch_entry() {
    static const steer::BackendEntry entry{STEER_BUILD_ID, steer::open_torch_backend, steer::set_threads, steer::build_info};
    return &entry;
}
