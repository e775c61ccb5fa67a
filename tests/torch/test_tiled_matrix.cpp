// Packed matrices in the layout of the device's kernels, and the kernels' arithmetic done on the host: each lane's operands by
// the functions that the kernels use, the tensor cores' product by PTX's description of mma.m16n8k32.
#include "torch/quantise.h"
#include "torch/tiled_matrix.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/randn.h>
#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <cstring>

using namespace steer;
using Form = PackedMatrix::Form;

namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) { return at::randn(shape, at::detail::createCPUGenerator(seed)); }

PackedMatrix random_matrix(Form form, int64_t rows, int64_t columns, int64_t group, uint64_t seed = 1) {
    PackedMatrix matrix = make_packed(form, rows, columns, group, at::kCPU);
    quantise_rows(matrix, 0, normal({rows, columns}, seed), "random");
    return matrix;
}

struct Fixed { // x as the kernels' prologue makes it
    std::vector<int8_t> bytes[2];
    std::vector<float> units;
    std::vector<int32_t> sums;
};

Fixed fixed_point(const std::vector<float>& x) {
    Fixed made;
    for (size_t group = 0; group < x.size() / 64; group++) {
        float largest = 0.0f;
        for (size_t i = 0; i < 64; i++) largest = std::max(largest, std::fabs(x[group * 64 + i]));
        made.units.push_back(largest / cuda::kFixedMax);
        int32_t sum = 0;
        for (size_t i = 0; i < 64; i++) {
            const auto fixed = static_cast<int32_t>(std::lrint(x[group * 64 + i] * (cuda::kFixedMax / largest)));
            made.bytes[0].push_back(static_cast<int8_t>(cuda::high_byte(fixed)));
            made.bytes[1].push_back(static_cast<int8_t>(cuda::low_byte(fixed)));
            sum += fixed;
        }
        made.sums.push_back(sum);
    }
    return made;
}

int8_t byte_of(uint32_t word, int i) { return static_cast<int8_t>(word >> (8 * i)); }

// PTX ISA, "Matrix Fragments for mma.m16n8k32": lane l has A's rows l / 4 (a0, a2) and l / 4 + 8 (a1, a3), its columns
// 4 (l % 4) .. + 3 (a0, a1) and those 16 further on; of B's column l / 4 the same.
using Product = std::array<std::array<int32_t, 8>, 16>;
void multiply(const std::array<cuda::CodeOperand, 32>& a, const std::array<std::array<uint32_t, 2>, 32>& b, Product& c) {
    int8_t wide_a[16][32], wide_b[32][8];
    for (int lane = 0; lane < 32; lane++)
        for (int part = 0; part < 4; part++)
            for (int i = 0; i < 4; i++) {
                const int column = 4 * (lane % 4) + i + 16 * (part / 2);
                wide_a[lane / 4 + 8 * (part % 2)][column] = byte_of(a[static_cast<size_t>(lane)].a[part], i);
                if (part % 2 == 0) wide_b[column][lane / 4] = byte_of(b[static_cast<size_t>(lane)][static_cast<size_t>(part / 2)], i);
            }
    for (size_t m = 0; m < 16; m++)
        for (size_t n = 0; n < 8; n++)
            for (size_t k = 0; k < 32; k++) c[m][n] += int32_t{wide_a[m][k]} * wide_b[k][n];
}

uint32_t word_at(const int8_t* bytes) {
    uint32_t word;
    std::memcpy(&word, bytes, 4);
    return word;
}

// y of one row x, tile by tile as a warp goes.
template<cuda::Codes kCodes> std::vector<float> multiply_tiles(const TiledMatrix& matrix, const Fixed& x) {
    constexpr size_t kWords = 4 * cuda::kLaneLoads<kCodes>;
    const auto* const codes = static_cast<const uint32_t*>(matrix.codes.const_data_ptr());
    const int64_t steps = matrix.columns / 64, groups = matrix.columns / matrix.group, pairs = matrix.rows / 2;
    std::vector<float> y(static_cast<size_t>(matrix.rows));
    for (int64_t tile = 0; tile < matrix.rows / 16; tile++)
        for (int64_t step = 0; step < steps; step++) {
            Product products[cuda::kPlanes<kCodes>] = {};
            for (int product = 0; product < 2; product++)
                for (int plane = 0; plane < cuda::kPlanes<kCodes>; plane++) {
                    std::array<cuda::CodeOperand, 32> a;
                    std::array<std::array<uint32_t, 2>, 32> b{};
                    for (int lane = 0; lane < 32; lane++) {
                        uint32_t words[kWords];
                        for (size_t load = 0; load < kWords / 4; load++)
                            std::memcpy(words + 4 * load, codes + (((tile * steps + step) * static_cast<int64_t>(kWords / 4) + static_cast<int64_t>(load)) * 32 + lane) * 4, 16);
                        a[static_cast<size_t>(lane)] = cuda::operand<kCodes>(words, product, plane);
                        if (lane / 4 < 2) // a step of one row: its high bytes and its low ones
                            for (size_t half = 0; half < 2; half++)
                                b[static_cast<size_t>(lane)][half] = word_at(x.bytes[lane / 4].data() + step * 64 + 16 * (lane % 4) + 8 * product + 4 * static_cast<int>(half));
                    }
                    multiply(a, b, products[plane]);
                }
            for (int64_t i = 0; i < 16; i++) {
                const int64_t pair = tile * 8 + i % 8, row = matrix.in_halves ? pair + i / 8 * pairs : 2 * pair + i / 8;
                const int64_t place = ((tile * groups + step * 64 / matrix.group) * 8 + i % 8) * 2 + i / 8;
                float scale = 0.0f;
                int32_t zero = 0, sums[cuda::kPlanes<kCodes>][2];
                if constexpr (kCodes == cuda::Codes::int4) {
                    const auto* const halves = matrix.scales.const_data_ptr<at::Half>() + 2 * place;
                    scale = halves[0], zero = static_cast<int32_t>(static_cast<float>(halves[1]));
                } else {
                    scale = matrix.scales.const_data_ptr<float>()[place];
                }
                for (int plane = 0; plane < cuda::kPlanes<kCodes>; plane++)
                    for (size_t n = 0; n < 2; n++) sums[plane][n] = products[plane][static_cast<size_t>(i)][n];
                y[static_cast<size_t>(row)] += cuda::tile_value<kCodes>(sums, x.sums[static_cast<size_t>(step)], x.units[static_cast<size_t>(step)], scale, zero);
            }
        }
    return y;
}

std::vector<float> multiply_tiles(const TiledMatrix& matrix, const Fixed& x) {
    switch (codes_of(matrix.form)) {
    case cuda::Codes::int8: return multiply_tiles<cuda::Codes::int8>(matrix, x);
    case cuda::Codes::int4: return multiply_tiles<cuda::Codes::int4>(matrix, x);
    default: return multiply_tiles<cuda::Codes::nf4>(matrix, x);
    }
}

} // namespace

TEST_CASE("tiles hold what the matrices held") {
    const Form form = GENERATE(Form::int8, Form::int4, Form::nf4);
    const bool in_halves = GENERATE(false, true);
    const int64_t group = form == Form::int8 ? 192 : 64;
    const std::vector<PackedMatrix> matrices{random_matrix(form, 48, 192, group, 1), random_matrix(form, 48, 192, group, 2)};
    const auto tiled = tile(matrices, in_halves);
    REQUIRE(tiled);
    const PackedMatrix back = untile(*tiled);
    for (int64_t i = 0; i < 2; i++) {
        const PackedMatrix& matrix = matrices[static_cast<size_t>(i)];
        CHECK(back.codes.narrow(0, 48 * i, 48).equal(matrix.codes));
        CHECK(back.scales.narrow(0, 48 * i, 48).equal(matrix.scales));
        if (form == Form::int4) CHECK(back.zeros.narrow(0, 48 * i, 48).equal(matrix.zeros));
    }
}

TEST_CASE("what makes no whole tiles stays in rows") {
    CHECK_FALSE(tile({random_matrix(Form::int4, 24, 128, 64)}, false));
    CHECK_FALSE(tile({random_matrix(Form::int4, 32, 96, 32)}, false));
    CHECK_FALSE(tile({random_matrix(Form::int4, 32, 128, 32)}, false));
    CHECK_FALSE(tile({random_matrix(Form::int4, 32, 128, 64), random_matrix(Form::nf4, 32, 128, 64)}, false));
    PackedMatrix other = random_matrix(Form::nf4, 32, 128, 64);
    other.levels = other.levels * 0.5;
    CHECK_FALSE(tile({other}, false));
}

TEST_CASE("the kernels' arithmetic, lane by lane, is the product") {
    const Form form = GENERATE(Form::int8, Form::int4, Form::nf4);
    const bool in_halves = GENERATE(false, true);
    const int64_t columns = 256, group = form == Form::int8 ? columns : 128 / (form == Form::nf4 ? 2 : 1);
    const PackedMatrix matrix = random_matrix(form, 32, columns, group);
    at::Tensor x = normal({1, columns}, 3);
    x.select(1, 70) *= 300; // one activation far beyond the others, as Qwen has
    const std::vector<float> numbers(x.const_data_ptr<float>(), x.const_data_ptr<float>() + columns);
    const std::vector<float> y = multiply_tiles(*tile({matrix}, in_halves), fixed_point(numbers));
    const at::Tensor weights = unpack_rows(matrix, 0, 32).to(at::kDouble), expected = at::linear(x.to(at::kDouble), weights);
    for (int64_t row = 0; row < 32; row++) {
        // Half a unit of x for each column, and of NF4's 14-bit levels half a step.
        double bound = 1e-6;
        for (int64_t k = 0; k < columns; k++) {
            double largest = 0.0;
            for (int64_t i = k / 64 * 64; i < k / 64 * 64 + 64; i++) largest = std::max(largest, std::fabs(double{numbers[static_cast<size_t>(i)]}));
            bound += std::fabs(weights[row][k].item<double>()) * largest / cuda::kFixedMax * 0.51;
            if (form == Form::nf4)
                bound += matrix.scales[row][k / group].item<double>() * std::fabs(numbers[static_cast<size_t>(k)]) * 0.51 / cuda::kNf4Middle;
        }
        INFO("row " << row);
        CHECK(std::fabs(expected[0][row].item<double>() - y[static_cast<size_t>(row)]) <= bound * 1.001);
    }
}
