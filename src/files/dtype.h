// Element types of stored tensors.
#pragma once

#include "files/float16.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace steer {

enum class Dtype : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, f8_e4m3, f8_e5m2 };

size_t dtype_size(Dtype dtype);                              // bytes
const char* dtype_name(Dtype dtype);                         // "BF16": as safetensors writes it
bool dtype_from_name(std::string_view name, Dtype& out);     // false: unknown
bool dtype_is_float(Dtype dtype);                            // F64, F32, F16, BF16: what to_float32 can read
float to_float32(const void* element, Dtype dtype) noexcept; // one element, any alignment; rounds F64

} // namespace steer
