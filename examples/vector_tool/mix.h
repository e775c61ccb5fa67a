// `steer_vector mix`: a weighted sum of vectors, what they have in common, and what they do to each other.
#pragma once

#include "loading.h"
#include "orthogonal.h"
#include "speaking.h"

#include <string>
#include <vector>

namespace vector_tool {

struct MixSettings {
    std::string model, out, csv, prompts;
    ModelPlace place;
    std::vector<std::string> vectors; // FILE or FILE=WEIGHT
    Orthogonal method = Orthogonal::no;
    bool interference = false;
    int32_t together = 8; // conversations computed at a time
    SpeakSettings speak;
};

void mix(const MixSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
