// How packed matrices lie on a device, and how a lane of a warp gets from its bytes to the operands of a tensor core's integer
// product. For host and device: the layout is made and tested on the host.
//
// A tile is 16 rows by 64 columns. Lane l of a warp has the rows l / 4 and l / 4 + 8 of it and the 16 columns from 16 (l % 4)
// on, as the operand A of mma.m16n8k32 wants them: two products, whose columns are the first and the last 8 of each lane's.
// (Which columns meet in one product makes no difference, as long as x is taken in the same order.) Tile rows i and i + 8 are
// rows 2 p and 2 p + 1 of the matrix, p = 8 tile + i; of gate_up, row p of gate and row p of up.
//
//   int4  16 bytes a lane: byte j holds column j, the upper row in its low half
//   nf4   16 bytes a lane: word j holds columns 4 j .. 4 j + 3, the upper row in its low half
//   int8  32 bytes a lane: 16 of the upper row, those of the lower one in another 512 bytes
//   codes [tiles, K / 64, 1 or 2, 32 lanes, 16 bytes]
//   scales [tiles, K / g, 8 row pairs] of 8 bytes: int4 {scale, zero} as halves for both rows; else a float for each
#pragma once

#include "kernels/host_device.h"

#include <cstdint>

namespace steer::cuda {

constexpr int32_t kTileRows = 16, kTileColumns = 64;

enum class Codes : uint8_t { dense, int8, int4, nf4 };

template<Codes kCodes> constexpr int kLaneLoads = kCodes == Codes::int8 ? 2 : 1; // of 16 bytes for a tile
template<Codes kCodes> constexpr int kPlanes = kCodes == Codes::nf4 ? 2 : 1;     // of a code's number: 7 bits each, the higher first

struct CodeOperand { // of one product: a0 .. a3
    uint32_t a[4];
};

// NF4's levels as numbers of 14 bits around 8,191; level = (number - 8191) / 8191, within 2^-14 of bitsandbytes' float.
constexpr int32_t kNf4Middle = 8191;
constexpr int32_t kNf4Numbers[16] = {0,    2488, 3890, 4956, 5861, 6678,  7445,  8191,
                                     8843, 9509, 10207, 10959, 11801, 12799, 14113, 16382};

// Four entries of a table of bytes, as a register.
STEER_HOST_DEVICE constexpr uint32_t nf4_table(int plane, int first) {
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t number = static_cast<uint32_t>(kNf4Numbers[first + i]);
        word |= (plane == 0 ? number >> 7 : number & 127) << (8 * i);
    }
    return word;
}

// Byte i of the result is the byte of {b, a} that the lower three bits of nibble i name.
STEER_HOST_DEVICE inline uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
#ifdef __CUDA_ARCH__
    return __byte_perm(a, b, selector);
#else
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t at = selector >> (4 * i) & 7;
        result |= ((at < 4 ? a >> (8 * at) : b >> (8 * (at - 4))) & 0xff) << (8 * i);
    }
    return result;
#endif
}

// Of four nibbles: bytes that are 255 where the top bit is set, and have their own top bit alone, or nothing, elsewhere.
STEER_HOST_DEVICE inline uint32_t top_bits(uint32_t nibbles) {
#ifdef __CUDA_ARCH__
    uint32_t result;
    asm("prmt.b32 %0, %1, %1, %2;" : "=r"(result) : "r"(0x80808080u), "r"(nibbles)); // with the top bit, a sign eight times
    return result;
#else
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) result |= (nibbles >> (4 * i + 3) & 1 ? 0xffu : 0x80u) << (8 * i);
    return result;
#endif
}

STEER_HOST_DEVICE inline uint32_t look_up_nf4(uint32_t nibbles, int plane) { // four of them; entries are below 128
    const uint32_t low = permute(nf4_table(plane, 0), nf4_table(plane, 4), nibbles);
    const uint32_t high = permute(nf4_table(plane, 8), nf4_table(plane, 12), nibbles);
    const uint32_t which = top_bits(nibbles);
    return (high & which) | (low & ~which);
}

// words: a lane's codes of a tile. product: 0 or 1.
template<Codes kCodes> STEER_HOST_DEVICE inline CodeOperand operand(const uint32_t (&words)[4 * kLaneLoads<kCodes>], int product, int plane) {
    const uint32_t first = words[2 * product], second = words[2 * product + 1];
    if constexpr (kCodes == Codes::int8) {
        return {{first, words[4 + 2 * product], second, words[5 + 2 * product]}};
    } else if constexpr (kCodes == Codes::int4) {
        constexpr uint32_t kLow = 0x0f0f0f0fu;
        return {{first & kLow, first >> 4 & kLow, second & kLow, second >> 4 & kLow}};
    } else {
        return {{look_up_nf4(first & 0xffff, plane), look_up_nf4(first >> 16, plane), look_up_nf4(second & 0xffff, plane),
                 look_up_nf4(second >> 16, plane)}};
    }
}

// x as fixed point: for each 64 columns X = x / unit, |X| <= 32512, and X = 256 high + low with two bytes.
constexpr float kFixedMax = 32512.0f;
STEER_HOST_DEVICE inline int32_t high_byte(int32_t fixed) { return (fixed + 128) >> 8; }
STEER_HOST_DEVICE inline int32_t low_byte(int32_t fixed) { return fixed - 256 * high_byte(fixed); }

struct RowPairScales {
    float scale[2];
    int32_t zero[2]; // int4
};

// What a tile adds to y of one row of the matrix. products[plane]: the sums of codes times x's high and low bytes; sum: of X.
template<Codes kCodes>
STEER_HOST_DEVICE inline float tile_value(const int32_t (&products)[kPlanes<kCodes>][2], int32_t sum, float unit, float scale, int32_t zero) {
    const int32_t first = 256 * products[0][0] + products[0][1];
    if constexpr (kCodes == Codes::int8) return static_cast<float>(first) * (unit * scale);
    else if constexpr (kCodes == Codes::int4) return static_cast<float>(first - zero * sum) * (unit * scale);
    else {
        const int32_t second = 256 * products[1][0] + products[1][1];
        const int32_t high = first - (kNf4Middle >> 7) * sum, low = second - (kNf4Middle & 127) * sum;
        return (128.0f * static_cast<float>(high) + static_cast<float>(low)) * (unit * scale * (1.0f / kNf4Middle));
    }
}

} // namespace steer::cuda
