// The command lines of mix and drift.
#pragma once

#include "drift.h"
#include "mix.h"

namespace CLI {
class App;
}

namespace vector_tool {

CLI::App* add_mix(CLI::App& app, MixSettings& settings);
CLI::App* add_drift(CLI::App& app, DriftSettings& settings);

} // namespace vector_tool
