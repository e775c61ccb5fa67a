// The pins and bounds of a site, solved jointly in coefficients; the same lines for the CPU and for nvcc. C++17.
//
// Of a state x and unit rows v_j, c_j = x . v_j. A pin (low = high) and a violated bound ask that the row's projection end at
//     target = c + s (clip(c, low, high) - c)          s: the share of the way; 1 whole, 2 reflected
// and all that ask are met at once: x + sum b_j v_j with G b = target - c, G being the rows' cosines. That is the smallest
// change of x that does it, and it does not depend on an order. c is the projection when the row begins to ask: of a pin,
// before any of them moved; of a bound, in the state that violates it, which another pin may have made. Bounds are looked at
// again after each solution; those that ask go on asking, so there are at most as many rounds as bounds. A partial pin
// (s < 1) holds its own target as firmly as a whole one.
//
// A row that the asking ones span already has no say: they decide. Of equal rows with different shares the largest decides.
#pragma once

#include "kernels/host_device.h"

#include <cstdint>
#include <math.h>

namespace steer {

struct SiteInterval {
    double along;     // x . v^, before any of them moved
    float low, high;
    float share;      // s
    int32_t row;      // into the cosines
    bool asks;
};

// Entry of a symmetric matrix that is stored as its lower triangle, row after row.
STEER_HOST_DEVICE inline double packed_entry(const double* packed, int32_t i, int32_t j) {
    const int64_t row = i > j ? i : j, column = i > j ? j : i;
    return packed[row * (row + 1) / 2 + column];
}

STEER_HOST_DEVICE inline int64_t packed_size(int64_t count) { return count * (count + 1) / 2; }

// Cholesky's factor of the asking rows' cosines grows by a row whenever one more asks. All memory is the caller's.
struct IntervalSystem {
    const double* cosines;   // of the site's rows, packed
    SiteInterval* intervals; // [count]
    int32_t count;
    double* factor;          // [packed_size(count)]
    double *rhs, *shifts;    // [count] each; shifts: how far the state goes along the rows in `order`
    int32_t* order;          // [count]: indices into intervals
    int32_t equations;       // how many of order and shifts hold; 0 to begin with

    STEER_HOST_DEVICE double cosine(int32_t a, int32_t b) const {
        return packed_entry(cosines, intervals[a].row, intervals[b].row);
    }

    // Where a row's projection is once the first `solved` equations hold.
    STEER_HOST_DEVICE double along_after(int32_t which, int32_t solved) const {
        double along = intervals[which].along;
        for (int32_t i = 0; i < solved; i++) along += cosine(which, order[i]) * shifts[i];
        return along;
    }

    // One more equation, for a row whose projection is `along` now.
    STEER_HOST_DEVICE void ask(int32_t which, double along) {
        constexpr double kSpanned = 1e-10; // 1 - cos^2 to the nearest combination of those that ask
        SiteInterval& one = intervals[which];
        one.asks = true;
        const double low = one.low, high = one.high, clipped = along < low ? low : along > high ? high : along;
        const double target = along + one.share * (clipped - along);
        double* const row = factor + packed_size(equations);
        double left = cosine(which, which), wanted = target - one.along;
        for (int32_t i = 0; i < equations; i++) {
            const double* const other = factor + packed_size(i);
            double value = cosine(which, order[i]);
            for (int32_t j = 0; j < i; j++) value -= other[j] * row[j];
            row[i] = value / other[i];
            left -= row[i] * row[i];
            wanted -= row[i] * rhs[i];
        }
        if (!(left > kSpanned)) return;
        row[equations] = sqrt(left);
        rhs[equations] = wanted / row[equations];
        order[equations++] = which;
    }

    STEER_HOST_DEVICE void find_shifts() {
        for (int32_t i = equations - 1; i >= 0; i--) {
            double value = rhs[i];
            for (int32_t j = i + 1; j < equations; j++) value -= factor[packed_size(j) + i] * shifts[j];
            shifts[i] = value / factor[packed_size(i) + i];
        }
    }

    // From the last to the first: a plan sorts equal rows by strength.
    STEER_HOST_DEVICE void solve() {
        for (int32_t i = count - 1; i >= 0; i--)
            if (intervals[i].low == intervals[i].high) ask(i, intervals[i].along);
        find_shifts();
        for (bool more = true; more;) {
            more = false;
            const int32_t solved = equations; // all are looked at in the state that these made
            for (int32_t i = count - 1; i >= 0; i--) {
                if (intervals[i].asks) continue;
                const double along = along_after(i, solved);
                if (!(along < intervals[i].low || along > intervals[i].high)) continue;
                ask(i, along);
                more = true;
            }
            if (more) find_shifts();
        }
    }
};

} // namespace steer
