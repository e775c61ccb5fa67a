#include "files/dtype.h"

#include <cstring>
#include <limits>

namespace steer {
namespace {

struct Entry {
    Dtype dtype;
    const char* name;
    DtypeBlock block;
};

constexpr Entry kDtypes[] = {
    {Dtype::f64, "F64", {1, 8}},         {Dtype::f32, "F32", {1, 4}},         {Dtype::f16, "F16", {1, 2}},
    {Dtype::bf16, "BF16", {1, 2}},       {Dtype::i64, "I64", {1, 8}},         {Dtype::i32, "I32", {1, 4}},
    {Dtype::i16, "I16", {1, 2}},         {Dtype::i8, "I8", {1, 1}},           {Dtype::u8, "U8", {1, 1}},
    {Dtype::boolean, "BOOL", {1, 1}},    {Dtype::f8_e4m3, "F8_E4M3", {1, 1}}, {Dtype::f8_e5m2, "F8_E5M2", {1, 1}},
    {Dtype::q4_0, "Q4_0", {32, 18}},     {Dtype::q8_0, "Q8_0", {32, 34}},     {Dtype::q4_k, "Q4_K", {256, 144}},
    {Dtype::q6_k, "Q6_K", {256, 210}},
};

template<class T>
T load(const void* element) {
    T value;
    std::memcpy(&value, element, sizeof(T));
    return value;
}

} // namespace

DtypeBlock dtype_block(Dtype dtype) {
    for (const Entry& entry : kDtypes)
        if (entry.dtype == dtype) return entry.block;
    return {1, 0};
}

bool dtype_is_block(Dtype dtype) { return dtype_block(dtype).elements > 1; }

size_t dtype_size(Dtype dtype) {
    const DtypeBlock block = dtype_block(dtype);
    return block.elements == 1 ? block.bytes : 0;
}

const char* dtype_name(Dtype dtype) {
    for (const Entry& entry : kDtypes)
        if (entry.dtype == dtype) return entry.name;
    return "?";
}

bool dtype_from_name(std::string_view name, Dtype& out) {
    for (const Entry& entry : kDtypes)
        if (entry.block.elements == 1 && name == entry.name) return out = entry.dtype, true;
    return false;
}

bool dtype_is_float(Dtype dtype) {
    return dtype == Dtype::f64 || dtype == Dtype::f32 || dtype == Dtype::f16 || dtype == Dtype::bf16;
}

float to_float32(const void* element, Dtype dtype) noexcept {
    switch (dtype) {
    case Dtype::f64: {
        // A double beyond float's range is infinity, said here so that the conversion is always defined.
        const double value = load<double>(element);
        const double rounds_to_infinity = 0x1.ffffffp127;
        if (value >= rounds_to_infinity) return std::numeric_limits<float>::infinity();
        if (value <= -rounds_to_infinity) return -std::numeric_limits<float>::infinity();
        return static_cast<float>(value);
    }
    case Dtype::f32:
        return load<float>(element);
    case Dtype::f16:
        return f16_to_float(load<uint16_t>(element));
    case Dtype::bf16:
        return bf16_to_float(load<uint16_t>(element));
    default:
        return std::numeric_limits<float>::quiet_NaN();
    }
}

} // namespace steer
