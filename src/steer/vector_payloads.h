// Dicts by name inside a file of torch.save: between vector_torch.cpp and vector_payloads.cpp.
#pragma once

#include "steer/vector_io.h"

namespace steer {

// {"axis": ...}, {"vector": ...}, {"vectors": {...}}, {"dir": ...}; nullptr: none of these.
VectorPtr load_named_payload(TorchZip& file, const PickleNode& dict, const VectorOptions& options);

// Refuses by name what is known and is no direction; returns where nothing is known.
void refuse_known_dict(const TorchZip& file, const PickleNode& dict);

StoredSites set_tensor(Vector& draft, TorchZip& file, const PickleNode& node, MatrixRows kind,
                       const VectorOptions& options);

} // namespace steer
