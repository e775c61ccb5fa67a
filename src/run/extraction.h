// Persona vectors from contrast pairs on a loaded model: texts through the template and the decoder, pooled states into the
// arithmetic of steer/extract.h.
//
// Rows to push with and rows to read with are two sets where one recipe does not give the best of both:
//   pooling REPLY_MEAN, and every pair puts the same user text under two system texts
//                        written: states of the user's tokens; read: states of the replies
//   method PROBE         written: mean difference; read: the probe's weights
// Else there is one set.
//
// Memory: mean differences are summed up. PCA and the probe need all training states of a layer at once, so they take as
// many layers at a time as kept_bytes_max holds and run the texts again for the next ones; one layer must fit.
#pragma once

#include "run/model.h"
#include "steer/vector.h"

#include <optional>
#include <span>
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
    int32_t method = 0, pooling = 0;                // STEER_METHOD_*, STEER_POOL_*
    float holdout = 0.2f;
    uint64_t seed = 0;
    std::string name;
    uint64_t kept_bytes_max = uint64_t{1} << 30;
    std::string resume_path; // where pooled states are kept as they are read; empty: nowhere
};

// A passage's tokens, and where an assistant speaks.
struct EncodedPassage {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks;
};
EncodedPassage encode_passage(const Model& model, const Passage& passage);

using Positions = std::vector<int32_t>; // ascending

struct PooledPair {
    EncodedPassage positive, negative;
    struct Pool {
        Positions positive, negative; // both empty: there is nothing to look at
    };
    std::vector<Pool> pools; // as many as poolings were asked for
    Pool content;            // tokens of the replies that both have
};

// where: names the pair in error words. A pooling that finds no token is an error; content may be empty.
PooledPair encode_pair(const Model& model, const ContrastPair& pair, std::span<const int32_t> poolings, const std::string& where);

// Between passes other conversations of the model go on.
VectorPtr extract_vector(Model& model, const std::vector<ContrastPair>& pairs, const ExtractionOptions& options,
                         const Progress& progress);

} // namespace steer
