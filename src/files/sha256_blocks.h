// The rounds of SHA-256 over whole blocks of 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace steer {

using Sha256Blocks = void (*)(uint32_t* state, const uint8_t* bytes, size_t count); // state [8]

void sha256_blocks_plain(uint32_t* state, const uint8_t* bytes, size_t count);
Sha256Blocks sha256_blocks_fast(); // with the CPU's own instructions; nullptr where it has none

} // namespace steer
