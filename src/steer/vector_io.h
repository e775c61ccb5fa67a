// Between the files of vector*.cpp; others include vector.h.
#pragma once

#include "files/safetensors.h"
#include "files/torch_zip.h"
#include "steer/vector.h"

namespace steer {

struct StoredSites { // STEER_SITE_FROM_FILE (0) where the file does not say
    int32_t measured = STEER_SITE_FROM_FILE, applied = STEER_SITE_FROM_FILE;
};

// What the file says was measured stays; the options may fill in what it leaves open, and choose where to apply.
void set_sites(Vector& draft, const StoredSites& stored, const VectorOptions& options, const std::string& where);

VectorPtr load_native_vector(const SafetensorsFile& file, const VectorOptions& options);
VectorPtr load_torch_vector(TorchZip file, const VectorOptions& options);

// The file's name without folder and ending; what a vector is called whose file does not name it.
std::string name_from_path(const std::string& path);

} // namespace steer
