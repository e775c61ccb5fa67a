// Stands in for libsteer_torch: opens nothing, but throws what a backend throws across the two libraries.
#include "files/error.h"
#include "model/backend_entry.h"

#include <cstdlib>

namespace {

std::unique_ptr<steer::Backend> open(std::shared_ptr<const steer::Package>, const steer::BackendOptions& options) {
    if (options.device == "cpu") steer::fail(STEER_ERR_DEVICE_MEMORY, "the stub has no memory");
    throw std::bad_alloc();
}

} // namespace

extern "C" STEER_API const steer::BackendEntry* steer_torch_entry() {
    static const steer::BackendEntry good{STEER_BUILD_ID, open, [](int32_t, int32_t) {}, [] { return std::string("stub"); }};
    static const steer::BackendEntry other{"another build", nullptr, nullptr, nullptr};
    return std::getenv("STEER_TEST_OTHER_BUILD") != nullptr ? &other : &good;
}
