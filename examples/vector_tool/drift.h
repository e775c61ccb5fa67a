// `steer_vector drift`: whether a persona stays while a talk goes on, and how soon it goes when its strength is set to 0.
#pragma once

#include "loading.h"
#include "speaking.h"

#include <string>

namespace vector_tool {

struct DriftSettings {
    std::string model, vector, prompts, contrary, csv;
    ModelPlace place;
    float strength = 0.0f;
    int32_t unit = STEER_UNIT_RELATIVE;
    int32_t talks = 10, turns = 6, after = 4; // after: turns at strength 0
    int32_t together = 8;                     // talks computed at a time
    SpeakSettings speak;
};

void drift(const DriftSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
