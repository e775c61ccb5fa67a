#include "torch/quantise.h"

#include "files/error.h"
#include "steer/steer.h"
#include "torch/upload.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bucketize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/round.h>

#include <array>

namespace steer {
namespace {

using Form = PackedMatrix::Form;

// bitsandbytes' NF4: quantiles of the normal distribution, arXiv 2305.14314 appendix E.
constexpr std::array<float, 16> kNf4Levels{
    -1.0f,         -0.696192801f, -0.525073051f, -0.394917488f, -0.284441382f, -0.18477343f, -0.0910500363f, 0.0f,
    0.0795802996f, 0.160930201f,  0.246112302f,  0.337915242f,  0.440709829f,  0.562617004f, 0.722956836f,   1.0f};

at::Tensor divisor(const at::Tensor& scales) { return scales.masked_fill(scales == 0, 1); } // all zero: so are the codes

void check_finite(const at::Tensor& scales, const std::string& name) {
    if (!scales.isfinite().all().item<bool>())
        fail(STEER_ERR_FORMAT, "{}: it holds numbers that are not finite, or too large for packed weights; load it as stored", name);
}

// groups [n, K/g, g] -> codes of the same shape; scales and zeros [n, K/g]
at::Tensor code_int8(const at::Tensor& groups, at::Tensor& scales) {
    scales = groups.abs().amax(-1) / 127;
    return at::round(groups / divisor(scales).unsqueeze(-1)).clamp(-127, 127).to(at::kChar);
}

at::Tensor code_int4(const at::Tensor& groups, at::Tensor& scales, at::Tensor& zeros) {
    const at::Tensor low = groups.amin(-1).clamp_max(0), high = groups.amax(-1).clamp_min(0);
    scales = ((high - low) / 15).to(at::kHalf);
    const at::Tensor step = divisor(scales.to(at::kFloat));
    const at::Tensor zero = at::round(-low / step).clamp(0, 15);
    zeros = zero.to(at::kByte);
    return (at::round(groups / step.unsqueeze(-1)) + zero.unsqueeze(-1)).clamp(0, 15).to(at::kByte);
}

at::Tensor code_nf4(const at::Tensor& groups, const at::Tensor& levels, at::Tensor& scales) {
    scales = groups.abs().amax(-1);
    const at::Tensor between = (levels.narrow(0, 0, 15) + levels.narrow(0, 1, 15)) / 2;
    return at::bucketize((groups / divisor(scales).unsqueeze(-1)).contiguous(), between).to(at::kByte);
}

} // namespace

Form quantise_form(int32_t weights) {
    return weights == STEER_WEIGHTS_INT8 ? Form::int8 : weights == STEER_WEIGHTS_INT4 ? Form::int4 : Form::nf4;
}

PackedMatrix make_packed(Form form, int64_t rows, int64_t columns, int64_t group, at::Device device) {
    const auto room = [&](int64_t width, at::ScalarType dtype) { return at::empty({rows, width}, at::TensorOptions(dtype).device(device)); };
    PackedMatrix matrix{form, columns, {}, {}, {}, {}, {}};
    matrix.codes = form == Form::int8 ? room(columns, at::kChar) : room(columns / 2, at::kByte);
    matrix.scales = room(columns / group, form == Form::int4 ? at::kHalf : at::kFloat);
    if (form == Form::int4) matrix.zeros = room(columns / group, at::kByte);
    if (form == Form::nf4) matrix.levels = upload<float>(std::span<const float>(kNf4Levels), device);
    return matrix;
}

void quantise_rows(PackedMatrix& matrix, int64_t begin, const at::Tensor& numbers, const std::string& name) {
    const int64_t count = numbers.size(0);
    const at::Tensor groups = numbers.to(at::kFloat).view({count, matrix.scales.size(1), -1});
    at::Tensor scales, zeros, codes;
    switch (matrix.form) {
    case Form::int4: codes = code_int4(groups, scales, zeros); break;
    case Form::nf4: codes = code_nf4(groups, matrix.levels, scales); break;
    default: codes = code_int8(groups, scales); break;
    }
    check_finite(scales, name);
    codes = codes.view({count, -1});
    matrix.codes.narrow(0, begin, count).copy_(matrix.form == Form::int8 ? codes : pack_halves(codes));
    matrix.scales.narrow(0, begin, count).copy_(scales);
    if (zeros.defined()) matrix.zeros.narrow(0, begin, count).copy_(zeros);
}

} // namespace steer
