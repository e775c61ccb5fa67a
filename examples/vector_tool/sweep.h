// `steer_vector sweep`: replies over a range of strengths, as a table and as a picture.
#pragma once

#include "loaded.h"
#include "loading.h"

#include <cmath>
#include <string>
#include <vector>

namespace vector_tool {

struct SweepSettings {
    LoadSettings load;
    std::vector<std::string> vectors; // the same persona calibrated on several bands, or several personas
    std::string model, prompts, markers, csv, picture;
    ModelPlace place;
    float from = 0.0f, to = 0.0f; // relative; 0: up to 1.5 times the safe maximum
    int32_t steps = 11, prompt_max = 24, token_max = 64;
    float kl_budget = INFINITY;
    uint64_t seed = 1;
};

void sweep(const SweepSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
