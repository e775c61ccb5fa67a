#include "kernels/cpu/logit_passes.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>

using namespace steer;

namespace {

std::vector<float> random_logits(size_t size, uint32_t seed, float scale = 3.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> x(size);
    for (float& value : x) value = random() % 17 == 0 ? kNever : std::round(normal(random) * 8.0f) / 8.0f; // with ties
    return x;
}

} // namespace

TEST_CASE("e^x is the library's within 2e-7") {
    double worst = 0.0;
    for (int i = 0; i <= 870000; i++) {
        const float x = -static_cast<float>(i) * 1e-4f;
        const double exact = std::exp(static_cast<double>(x));
        worst = std::max(worst, std::abs(static_cast<double>(exp_of_negative(x)) - exact) / exact);
    }
    CHECK(worst < 2e-7);
    CHECK(exp_of_negative(0.0f) == 1.0f);
    CHECK(exp_of_negative(kNever) < 2e-38f);
    CHECK(exp_of_negative(std::nanf("")) < 2e-38f);
}

TEST_CASE("passes over blocks equal plain ones") {
    for (const size_t size : {1u, 2u, 63u, 64u, 65u, 128u, 1000u, 4097u}) {
        const std::vector<float> x = random_logits(size, static_cast<uint32_t>(size));
        std::vector<float> block_max, values;
        REQUIRE(block_maxima(x, block_max));
        const float max = *std::max_element(x.begin(), x.end());
        CHECK(*std::max_element(block_max.begin(), block_max.end()) == max);
        if (max == kNever) continue;
        CHECK(largest(x, block_max) == std::max_element(x.begin(), x.end()) - x.begin());

        for (const float from : {kNever, 0.0f, max}) {
            double sum = 0.0, weighted = 0.0;
            std::vector<int32_t> expected, found;
            for (size_t i = 0; i < size; i++) {
                if (!(x[i] >= from)) continue;
                expected.push_back(static_cast<int32_t>(i));
                if (x[i] == kNever) continue;
                const double below = static_cast<double>(x[i]) - static_cast<double>(max);
                sum += std::exp(below);
                weighted += std::exp(below) * below;
            }
            const ExpSums sums = exp_sums(x, block_max, max, from);
            CHECK(sums.sum == Approx(sum).epsilon(1e-6));
            CHECK(sums.weighted == Approx(weighted).epsilon(1e-6).margin(1e-12));
            gather(x, block_max, from, found);
            CHECK(found == expected);
        }

        std::vector<float> sorted = x;
        std::sort(sorted.begin(), sorted.end(), std::greater<>());
        for (const size_t k : {size_t{1}, size_t{2}, size_t{20}, size / 2 + 1, size})
            if (k <= size) CHECK(kth_largest(x, block_max, k, values) == sorted[k - 1]);
        CHECK(kth_largest(x, block_max, size + 1, values) == kNever);
    }
}

TEST_CASE("numbers that are none are seen, wherever they stand") {
    for (const size_t at : {0u, 15u, 63u, 64u, 99u})
        for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
            std::vector<float> x = random_logits(100, 1), block_max;
            CHECK(block_maxima(x, block_max));
            x[at] = bad;
            CHECK_FALSE(block_maxima(x, block_max));
        }
}
