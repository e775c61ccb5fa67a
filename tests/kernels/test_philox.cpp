#include "kernels/cpu/philox.h"

#include <catch2/catch.hpp>

using namespace steer;

// Random123's published answers, kat_vectors: "philox4x32 10".
TEST_CASE("Philox gives the published answers") {
    using Words = std::array<uint32_t, 4>;
    CHECK(philox4x32({0, 0, 0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, ~uint64_t{0}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the noise of a draw counts tokens by four and positions, under the seed") {
    CHECK(noise_words(0x299f31d0a4093822, 7, 5) == philox4x32({5, 7, 0, 0}, 0x299f31d0a4093822));
    CHECK(noise_words(1, 7, 5) != noise_words(2, 7, 5));
    CHECK(noise_words(uint64_t{1} << 32, 7, 5) != noise_words(0, 7, 5));
    CHECK(noise_words(1, 8, 5) != noise_words(1, 7, 5));
}

TEST_CASE("words become Gumbel noise") {
    // Over evenly spaced words the moments are those of the distribution: mean 0.5772.., variance pi^2 / 6.
    constexpr int64_t kCount = 1 << 20;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < kCount; i++) {
        const auto noise = static_cast<double>(gumbel(static_cast<uint32_t>((i << 12) + (1 << 11))));
        sum += noise;
        squares += noise * noise;
    }
    const double mean = sum / kCount, variance = squares / kCount - mean * mean;
    CHECK(mean == Approx(0.57721566490153286).margin(1e-4));
    CHECK(variance == Approx(1.6449340668482264).margin(1e-3));

    // The quantile function at chosen words: u = (word + 1/2) / 2^32, P(noise > g) = u.
    for (const uint32_t word : {0u, 1u, 255u, 256u, 0x10000u, 0x80000000u, 0xffff0000u, ~0u}) {
        const double g = static_cast<double>(gumbel(word)), above = -std::expm1(-std::exp(-g));
        CHECK(above == Approx((word + 0.5) / 4294967296.0).epsilon(1e-5));
    }
    CHECK(gumbel(0) <= kNoiseMax);
}

TEST_CASE("the bound on the noise is never below it") {
    int64_t below = 0;
    for (uint64_t word = 0; word < uint64_t{1} << 32; word += word < 100000 ? 1 : 4099)
        below += gumbel_bound(static_cast<uint32_t>(word)) < gumbel(static_cast<uint32_t>(word));
    for (int shift = 0; shift < 32; shift++)
        for (uint32_t near = 0; near < 512; near++) {
            const uint32_t word = (1u << shift) + near - 256;
            below += gumbel_bound(word) < gumbel(word);
        }
    CHECK(below == 0);
}
