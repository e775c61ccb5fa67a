// What vectors do to each other's gauges.
#pragma once

#include "loaded.h"
#include "speaking.h"

#include <Eigen/Core>

#include <utility>
#include <vector>

namespace vector_tool {

struct Change { // of a gauge, in gaps: the mean over prompts, and its standard error
    double mean, error;
};

struct Interference {
    std::vector<std::vector<Change>> alone; // [i][j]: of gauge j while vector i runs
    std::vector<std::pair<size_t, size_t>> pairs;
    std::vector<std::vector<Change>> together; // [pair][j]: while both run
};

// Each vector at half of its safe strength, over the prompts; against the same prompts and seeds without any.
Interference measure_interference(steer_model* model, const std::vector<LoadedVector>& vectors, const std::vector<std::string>& prompts,
                                  const SpeakSettings& settings, size_t at_a_time);

} // namespace vector_tool
