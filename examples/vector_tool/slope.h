// A line through the turns of several talks.
#pragma once

#include <cstdint>
#include <vector>

namespace vector_tool {

struct Point {
    double x, y; // y NaN: left out
};

struct Slope { // NaN: not known
    double value, low, high;
};

// By least squares over all points. low, high: 95 % by bootstrap (2000 draws), whole talks drawn with replacement, because the
// turns of one talk hang together; unknown with a single talk.
Slope slope_over_talks(const std::vector<std::vector<Point>>& talks, uint64_t seed);

} // namespace vector_tool
