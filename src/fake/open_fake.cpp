// What src/api/open_backend.cpp is for libsteer: the way to the backend, here the one for tests.
#include "fake/fake_backend.h"
#include "model/package.h"

namespace steer {

std::unique_ptr<Backend> open_backend(std::shared_ptr<const Package> package, const BackendOptions& options) {
    return std::make_unique<FakeBackend>(package->config, options);
}

void set_backend_threads(int32_t, int32_t) {} // it has none of its own

std::string backend_build_info() { return "fake backend: for tests, not a language model"; }

} // namespace steer
