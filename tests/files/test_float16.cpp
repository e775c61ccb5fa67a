// Against the definition of the formats: value = (-1)^sign * 2^(e - bias) * 1.fraction.
#include "files/dtype.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstring>
#include <limits>

using namespace steer;

namespace {

double half_value(uint32_t bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    if (exponent == 0) return sign * std::ldexp(fraction, -24);
    return sign * std::ldexp(1024 + fraction, exponent - 25);
}

} // namespace

TEST_CASE("every half precision number is read exactly and written back") {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const float value = f16_to_float(static_cast<uint16_t>(bits));
        if ((bits >> 10 & 31) == 31) {
            REQUIRE(((bits & 1023) ? std::isnan(value) : std::isinf(value)));
            REQUIRE(std::signbit(value) == ((bits & 0x8000) != 0));
            if (bits & 1023)
                REQUIRE(std::isnan(f16_to_float(float_to_f16(value))));
            else
                REQUIRE(float_to_f16(value) == bits);
        } else {
            REQUIRE(double{value} == half_value(bits));
            REQUIRE(float_to_f16(value) == bits); // the sign of zero too
        }
    }
}

TEST_CASE("float32 to half rounds to nearest, ties to even") {
    for (uint32_t bits = 0; bits < 0x7bff; ++bits) { // between each number and the next
        const auto middle = static_cast<float>((half_value(bits) + half_value(bits + 1)) / 2); // exact in float32
        REQUIRE(float_to_f16(middle) == (bits % 2 == 0 ? bits : bits + 1));
        REQUIRE(float_to_f16(std::nextafter(middle, 0.0f)) == bits);
        REQUIRE(float_to_f16(std::nextafter(middle, 1e9f)) == bits + 1);
    }
    CHECK(float_to_f16(65519.99f) == 0x7bff);
    CHECK(float_to_f16(65520.0f) == 0x7c00);
    CHECK(float_to_f16(-1e30f) == 0xfc00);
    CHECK(float_to_f16(1e-30f) == 0);
}

TEST_CASE("bfloat16 is the upper half of a float32, rounded to nearest, ties to even") {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const float value = bf16_to_float(static_cast<uint16_t>(bits));
        if (std::isnan(value)) {
            REQUIRE(std::isnan(bf16_to_float(float_to_bf16(value))));
            continue;
        }
        REQUIRE(float_to_bf16(value) == bits);
        if (std::isinf(value)) continue;
        const auto full = uint32_t{bits} << 16;
        REQUIRE(float_to_bf16(std::bit_cast<float>(full + 0x7fff)) == bits);
        REQUIRE(float_to_bf16(std::bit_cast<float>(full + 0x8000)) == (bits % 2 == 0 ? bits : bits + 1));
        REQUIRE(float_to_bf16(std::bit_cast<float>(full + 0x8001)) == bits + 1);
    }
}

TEST_CASE("elements of every float type become float32") {
    const double values[] = {0.0, -1.5, 1e300, -1e300, std::numeric_limits<double>::quiet_NaN(), 1.0 / 3.0};
    CHECK(to_float32(&values[1], Dtype::f64) == -1.5f);
    CHECK(to_float32(&values[2], Dtype::f64) == std::numeric_limits<float>::infinity());
    CHECK(to_float32(&values[3], Dtype::f64) == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(to_float32(&values[4], Dtype::f64)));
    CHECK(to_float32(&values[5], Dtype::f64) == 1.0f / 3.0f);
    char unaligned[5] = {};
    const float third = 1.0f / 3.0f;
    std::memcpy(unaligned + 1, &third, 4);
    CHECK(to_float32(unaligned + 1, Dtype::f32) == third);
}
