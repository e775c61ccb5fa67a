// `steer_vector calibrate`: how strong is safe, what 0 and 1 of the gauge mean.
#pragma once

#include "loaded.h"
#include "loading.h"

namespace vector_tool {

struct CalibrateSettings {
    LoadSettings load;
    std::string in, out, model, pairs, split;
    ModelPlace place;
    int32_t layer_begin = 0, layer_end = INT32_MAX; // the band to push at; all: the vector's recommended one
    bool by_system = false;
    uint64_t seed = 1;
};

void calibrate(const CalibrateSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
