// Runs a template.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

#include <string>
#include <utility>
#include <vector>

namespace steer::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

// What the program prints with these variables. Bounded in time, memory and stack for any program and any data.
Text render(const Program& program, const Variables& variables);

} // namespace steer::jinja
