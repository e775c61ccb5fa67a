// The libtorch backend, for those who link it; hosts get it through the C header.
#pragma once

#include "model/backend.h"
#include "model/package.h"

namespace steer {

std::unique_ptr<Backend> open_torch_backend(std::shared_ptr<const Package> package, const BackendOptions& options);

} // namespace steer
