// A vector from a file, and what it says of itself: shared by the commands.
#pragma once

#include "steer/steer.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace vector_tool {

struct LoadSettings {
    std::string name, model; // model: a folder; its width and layers are held against the file's
    int32_t layer_begin = 0;
    int32_t measured = STEER_SITE_FROM_FILE, applied = STEER_SITE_FROM_FILE;
};

struct FreeVector {
    void operator()(steer_vector* vector) const { steer_vector_free(vector); }
};
using LoadedVector = std::unique_ptr<steer_vector, FreeVector>;

inline void throw_if(steer_status status, const steer_error& error) {
    if (status != STEER_OK) throw std::runtime_error(error.message);
}

std::shared_ptr<steer_model> open_model(const std::string& folder); // without weights; none for an empty name
LoadedVector load_file(const std::string& path, const LoadSettings& settings);
steer_vector_info info_of(const LoadedVector& vector);
std::string metadata_of(const LoadedVector& vector); // a JSON object
std::string describe_sites(const steer_vector_info& info);

} // namespace vector_tool
