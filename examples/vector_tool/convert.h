// `steer_vector convert`: a vector from one file format to another; or a feature of a sparse autoencoder as a vector.
#pragma once

#include "loaded.h"

namespace vector_tool {

struct ConvertSettings {
    LoadSettings load;
    std::string in, out;
    int32_t format = -1; // STEER_FORMAT_*; -1: by the ending of out
};

void convert(const ConvertSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
