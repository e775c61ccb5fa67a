// The libtorch backend, for those who link it; hosts get it through the C header.
#pragma once

#include "model/backend.h"
#include "model/package.h"

namespace steer {

std::unique_ptr<Backend> open_torch_backend(std::shared_ptr<const Package> package, const BackendOptions& options);

// Every pass by the reference path, whatever the device: what tests hold the fast one against.
std::unique_ptr<Backend> open_reference_backend(std::shared_ptr<const Package> package, const BackendOptions& options);

} // namespace steer
