// `steer_vector extract`: a persona vector from contrast pairs.
#pragma once

#include "loading.h"

#include <cstdint>
#include <string>

namespace vector_tool {

struct ExtractSettings {
    std::string model, pairs, out, name = "persona", split;
    ModelPlace place;
    int32_t layer_begin = 0, layer_end = INT32_MAX; // half open
    int32_t method = 0, pooling = 0;                // STEER_METHOD_*, STEER_POOL_*
    bool by_system = false;                         // two system prompts make the difference, not two replies alone
    float norm = 0.0f;                              // length of every row; 0: as the difference has it
    float relative = 0.0f;                          // length of every row, as a share of the stream's norm at its site
    float holdout = 0.2f;
    uint64_t seed = 1;
    std::string resume;                             // file of what was read so far; empty: none
};

void extract(const ExtractSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
