// Where the demo model is, and which persona vector belongs to a model.
#pragma once

#include <string>

#include "engine.h"

namespace chat {

// The model that comes with the library: beside the executable's install tree, else in the source tree above it.
// Empty: not found.
std::string find_demo_model();

struct FoundVector {
    Vector vector; // null: none fits
    std::string path;
};
// The newest vector file in MODEL/vectors, MODEL, MODEL/.. and MODEL/../vectors that was made for this model.
// A file that names no model fits if its width does; the library then warns in its log.
FoundVector find_vector(const std::string& model_path, const steer_model* model);

} // namespace chat
