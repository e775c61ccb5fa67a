// Arithmetic on numbers that a file says.
#pragma once

#include <cstdint>

namespace steer {

// False where the result does not fit; out is then not to be used.
[[nodiscard]] inline bool checked_add(uint64_t a, uint64_t b, uint64_t& out) {
    return !__builtin_add_overflow(a, b, &out);
}
[[nodiscard]] inline bool checked_mul(uint64_t a, uint64_t b, uint64_t& out) {
    return !__builtin_mul_overflow(a, b, &out);
}

// [offset, offset + size) lies inside [0, limit).
[[nodiscard]] inline bool inside(uint64_t offset, uint64_t size, uint64_t limit) {
    return offset <= limit && size <= limit - offset;
}

} // namespace steer
