// JSON to build files from. The library's own Json only reads and writes.
#pragma once

#include <nlohmann/json.hpp>

using Tree = nlohmann::ordered_json;
