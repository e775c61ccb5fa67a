// Replies of a steered session with a twin, and what was measured with each of their tokens.
#pragma once

#include "loading.h"

#include <string>
#include <vector>

namespace vector_tool {

struct ReplyTokens { // one entry a token; gauges in gaps: 0 neutral, 1 persona
    std::vector<float> kl, surprise, own, corrected, twin; // surprise: -log p without steering
    std::vector<float> raw_natural, own_natural;           // not in gaps
    std::string text;
    bool ended = false; // by itself
};

struct ReplySettings {
    float strength = 0.0f; // relative
    float kl_budget = 0.0f;
    int32_t token_max = 64;
    uint64_t seed = 1;
};

// vector is calibrated.
ReplyTokens make_reply(steer_model* model, steer_vector* vector, const std::string& prompt, const ReplySettings& settings);

} // namespace vector_tool
