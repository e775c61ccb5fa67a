// The command lines of mix and drift, and what every command that runs a model takes.
#pragma once

#include "drift.h"
#include "mix.h"

namespace CLI {
class App;
}

namespace vector_tool {

void add_place(CLI::App& command, ModelPlace& place);
CLI::App* add_mix(CLI::App& app, MixSettings& settings);
CLI::App* add_drift(CLI::App& app, DriftSettings& settings);

} // namespace vector_tool
