// `steer_vector inspect`: what a vector's file says, as a table or as JSON.
#pragma once

#include "loaded.h"

namespace vector_tool {

struct InspectSettings {
    LoadSettings load;
    std::string file;
    bool json = false;
};

void inspect(const InspectSettings& settings); // throws std::runtime_error in words

} // namespace vector_tool
