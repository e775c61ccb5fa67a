// Element types of stored tensors. Those of GGUF that begin with q are no numbers one by one: a block of them shares its
// scales.
#pragma once

#include "files/float16.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace steer {

enum class Dtype : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, f8_e4m3, f8_e5m2, q4_0, q8_0, q4_k, q6_k };

struct DtypeBlock { // how a row is cut: every so many elements take so many bytes
    size_t elements, bytes;
};

DtypeBlock dtype_block(Dtype dtype);                         // of a plain number {1, its bytes}
bool dtype_is_block(Dtype dtype);                            // Q4_0, Q8_0, Q4_K, Q6_K
size_t dtype_size(Dtype dtype);                              // bytes of one element; 0 where only a block has any
const char* dtype_name(Dtype dtype);                         // "BF16": as safetensors writes it; "Q4_K": as GGUF does
bool dtype_from_name(std::string_view name, Dtype& out);     // of safetensors; false: unknown
bool dtype_is_float(Dtype dtype);                            // F64, F32, F16, BF16: what to_float32 can read
float to_float32(const void* element, Dtype dtype) noexcept; // one element, any alignment; rounds F64

} // namespace steer
