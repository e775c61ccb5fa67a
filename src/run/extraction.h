// Persona vectors from contrast pairs on a loaded model: texts through the template and the decoder, pooled states into the
// arithmetic of steer/extract.h.
#pragma once

#include "run/model.h"
#include "steer/vector.h"

#include <optional>
#include <string>
#include <vector>

namespace steer {

struct Passage {
    std::optional<std::string> system, prompt, reply; // reply alone: plain text, no template
};

struct ContrastPair {
    Passage positive, negative;
    uint64_t group;
};

struct ExtractionOptions {
    int32_t layer_begin = 0, layer_end = INT32_MAX; // clipped to the model
    int32_t pooling = 0;                            // STEER_POOL_*
    float holdout = 0.2f;
    uint64_t seed = 0;
    std::string name;
};

// A passage's tokens and those of them whose states are pooled.
struct PooledPassage {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks;
    std::vector<int32_t> pooled; // positions, ascending, at least one
};
PooledPassage encode_passage(const Model& model, const Passage& passage, int32_t pooling);

// Between passes other conversations of the model go on.
VectorPtr extract_vector(Model& model, const std::vector<ContrastPair>& pairs, const ExtractionOptions& options,
                         const Progress& progress);

} // namespace steer
