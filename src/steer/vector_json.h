// Between vector_json.cpp and vector_svec.cpp.
#pragma once

#include "files/json.h"
#include "steer/vector_io.h"

namespace steer {

VectorPtr load_svec(const Json& json, const std::string& file, const VectorOptions& options);

} // namespace steer
