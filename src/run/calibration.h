// Calibration of a persona vector on a loaded model: readings of text, the stream's response to pushes, the strength that is
// safe. What comes out is steer/calibration.h; what goes in are contrast pairs as for extraction, whose negative side is
// neutral and whose positive side has the persona.
#pragma once

#include "run/extraction.h"

namespace steer {

struct CalibrationOptions {
    int32_t layer_begin = 0, layer_end = INT32_MAX; // the band to push at; all: the vector's recommended band
    uint64_t seed = 0;                              // of the replies that are sampled
    std::string name;                               // empty: the vector's
};

// The vector with a calibration, tied to the model.
VectorPtr calibrate_vector(std::shared_ptr<Model> model, const Vector& vector, const std::vector<ContrastPair>& pairs,
                           const CalibrationOptions& options, const Progress& progress);

} // namespace steer
