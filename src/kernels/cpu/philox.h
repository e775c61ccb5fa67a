// The noise of a draw: a function of seed, position and token id alone, the same on every device.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011):
//   key     = (low half of the seed, high half)
//   counter = (token id / 4, position of the drawn token, 0, 0)
// Word token id % 4 of the result, r, makes the token's Gumbel noise in double arithmetic, rounded once:
//   g = -log(-log1p(-u)),  u = (r + 1/2) / 2^32
// u near 0 gives the large values that win, and there its 32 bits are finest. g lies in [-3.14, 22.88].
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace steer {

constexpr float kNoiseMax = 22.88f;

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> x, uint64_t key) {
    auto key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        const uint64_t a = uint64_t{0xD2511F53u} * x[0], b = uint64_t{0xCD9E8D57u} * x[2];
        x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ key0, static_cast<uint32_t>(b),
             static_cast<uint32_t>(a >> 32) ^ x[3] ^ key1, static_cast<uint32_t>(a)};
    }
    return x;
}

// Of four tokens: 4 quad .. 4 quad + 3.
inline std::array<uint32_t, 4> noise_words(uint64_t seed, int32_t position, int32_t quad) {
    return philox4x32({static_cast<uint32_t>(quad), static_cast<uint32_t>(position), 0, 0}, seed);
}

inline float gumbel(uint32_t word) {
    const double u = (static_cast<double>(word) + 0.5) * 0x1p-32;
    return static_cast<float>(-std::log(-std::log1p(-u)));
}

// Not below gumbel(word), and cheap: g <= -log(u), and the bits of a float, read as an integer, are not above its
// logarithm.
inline float gumbel_bound(uint32_t word) {
    const auto top = static_cast<float>(static_cast<int32_t>(word >> 8)); // 24 bits: exact
    const auto bits = static_cast<float>(std::bit_cast<int32_t>(top));
    return (151.0f - bits * 0x1p-23f) * 0.69314725f + 1e-4f;
}

} // namespace steer
