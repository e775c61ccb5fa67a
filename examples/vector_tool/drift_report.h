// What drift tells: tables for people, and every turn as CSV.
#pragma once

#include "drift.h"

#include <string>
#include <vector>

namespace vector_tool {

struct Turn {
    bool contrary = false; // the user asked against the persona
    ReplyMeans steered, plain; // plain: the same talk never steered
};
using Talks = std::vector<std::vector<Turn>>; // [talk][turn], those at strength 0 last

void report_drift(const Talks& talks, const DriftSettings& settings);

// CSV: talk,turn,run,strength,contrary,tokens,gauge,kl; run: steered or plain.
void write_drift(const Talks& talks, const DriftSettings& settings);

} // namespace vector_tool
