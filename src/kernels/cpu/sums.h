// Sums over a state, in one order of summation on every machine, with room for the vector units.
#pragma once

#include <cstdint>

namespace steer {

template<class Sum, class Term> Sum sum_of(int32_t size, Term term) {
    constexpr int32_t lane_count = 16;
    Sum lanes[lane_count] = {};
    int32_t i = 0;
    for (; i + lane_count <= size; i += lane_count)
        for (int32_t lane = 0; lane < lane_count; lane++) lanes[lane] += term(i + lane);
    for (int32_t lane = 0; i < size; i++, lane++) lanes[lane] += term(i);
    Sum total = 0;
    for (const Sum lane : lanes) total += lane;
    return total;
}

} // namespace steer
