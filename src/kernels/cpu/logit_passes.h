// Whole passes over a row of logits, in blocks of 64 that the compiler turns into vector code, and what a pass can skip
// once the largest of each block is known. Sums have one order on every machine: halves of a block onto each other,
// blocks into double.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace steer {

constexpr int32_t kLogitBlock = 64;
constexpr float kNever = -std::numeric_limits<float>::infinity();

// e^x for x <= 0, within 2e-7 of it; smaller than e^-87 is e^-87, and so is NaN.
inline float exp_of_negative(float x) {
    x = x > -87.0f ? x : -87.0f;
    const float whole = (x * 1.44269504f + 12582912.0f) - 12582912.0f;      // to the nearest, by the float's last place
    const float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f; // ln 2 in two parts; |rest| < 0.35
    float series = 1.0f / 5040.0f;
    for (const float c : {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f})
        series = series * rest + c;
    return series * std::bit_cast<float>((static_cast<int32_t>(whole) + 127) << 23);
}

// The largest of each block, NaN left out. False: there is a NaN or +Inf.
bool block_maxima(std::span<const float> x, std::vector<float>& block_max);

// Index of the largest, the lowest among equals; -1: all are -Inf.
int32_t largest(std::span<const float> x, std::span<const float> block_max);

struct ExpSums {
    double sum = 0.0;      // of e^(x - max)
    double weighted = 0.0; // of e^(x - max) (x - max)
};
ExpSums exp_sums(std::span<const float> x, std::span<const float> block_max, float max,
                 float from = kNever); // of x >= from

// Indices of what is >= from, in order.
void gather(std::span<const float> x, std::span<const float> block_max, float from, std::vector<int32_t>& ids);

// The k-th largest, k >= 1; -Inf where there are not so many. values: scratch.
float kth_largest(std::span<const float> x, std::span<const float> block_max, size_t k, std::vector<float>& values);

} // namespace steer
