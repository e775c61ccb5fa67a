// How replies are sampled and when they end: the settings of a session, made from options or from the model's own files.
#pragma once

#include "model/package.h"
#include "model/sampling.h"
#include "text/constraint/constraint.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace steer {

struct Generation {
    SamplingSettings sampling;
    int32_t token_max = 0; // per turn; 0: while the context lasts
    uint64_t seed = 0;     // never 0 once in use
    std::vector<std::string> stop_texts;
    std::vector<int32_t> stop_tokens;
    bool prompt_log_probs = false;
    int32_t guard = 0; // STEER_GUARD_*
    constraint::ConstraintPtr constraint; // nullptr: none
};

using GenerationPtr = std::shared_ptr<const Generation>;

// What the model's generation_config.json says, read as transformers reads it (no do_sample: greedy); stop tokens from
// there, else from config.json. Without the file: plain sampling.
Generation model_generation(const Package& package);

uint64_t fresh_seed(); // from the system, never 0

} // namespace steer
