// The configuration file: YAML, with the keys of the older console where they mean something here.
#pragma once

#include <string>

#include "options.h"

namespace chat {

// Writes what the file says into options; keys that mean nothing here become a warning that names them.
void read_config(const std::string& path, Options& options);

} // namespace chat
