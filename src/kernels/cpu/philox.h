// The noise of a draw: a function of seed, position and token id alone, the same on every device.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011):
//   key     = (low half of the seed, high half)
//   counter = (token id / 4, position of the drawn token, 0, 0)
// Word token id % 4 of the result, r, makes the token's Gumbel noise in double arithmetic, rounded once:
//   g = -log(-log1p(-u)),  u = (r + 1/2) / 2^32
// u near 0 gives the large values that win, and there its 32 bits are finest. g lies in [-3.14, 22.88].
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace steer {

constexpr float kNoiseMax = 22.88f;
constexpr int32_t kNoiseBlock = 64; // tokens whose words are made together, as wide as the vector units are

// words[i] belongs to token first + i; first is a multiple of kNoiseBlock.
inline void noise_words(uint64_t seed, int32_t position, int32_t first, uint32_t words[kNoiseBlock]) {
    constexpr int32_t kCounters = kNoiseBlock / 4;
    uint32_t x0[kCounters], x1[kCounters], x2[kCounters] = {}, x3[kCounters] = {};
    for (int32_t i = 0; i < kCounters; i++) {
        x0[i] = static_cast<uint32_t>(first / 4 + i);
        x1[i] = static_cast<uint32_t>(position);
    }
    auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u)
        for (int32_t i = 0; i < kCounters; i++) {
            const uint64_t a = uint64_t{0xD2511F53u} * x0[i], b = uint64_t{0xCD9E8D57u} * x2[i];
            x0[i] = static_cast<uint32_t>(b >> 32) ^ x1[i] ^ key0;
            x1[i] = static_cast<uint32_t>(b);
            x2[i] = static_cast<uint32_t>(a >> 32) ^ x3[i] ^ key1;
            x3[i] = static_cast<uint32_t>(a);
        }
    for (int32_t i = 0; i < kCounters; i++) {
        words[4 * i] = x0[i];
        words[4 * i + 1] = x1[i];
        words[4 * i + 2] = x2[i];
        words[4 * i + 3] = x3[i];
    }
}

inline float gumbel(uint32_t word) {
    const double u = (static_cast<double>(word) + 0.5) * 0x1p-32;
    return static_cast<float>(-std::log(-std::log1p(-u)));
}

// Not below gumbel(word), and cheap: g <= -log(u), and the bits of a float, read as an integer, are not above its logarithm.
inline float gumbel_bound(uint32_t word) {
    const auto top = static_cast<float>(static_cast<int32_t>(word >> 8)); // 24 bits: exact
    const auto bits = static_cast<float>(std::bit_cast<int32_t>(top));
    return (151.0f - bits * 0x1p-23f) * 0.69314725f + 1e-4f;
}

} // namespace steer
