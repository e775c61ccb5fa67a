#include "torch/repack.h"

#include "files/error.h"
#include "torch/upload.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_or.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <array>

namespace steer {
namespace {

using Form = PackedMatrix::Form;

constexpr std::array<int32_t, 8> kInOrder{0, 1, 2, 3, 4, 5, 6, 7};
constexpr std::array<int32_t, 8> kAwqOrder{0, 4, 1, 5, 2, 6, 3, 7}; // where a word keeps the 4 bits of each of its 8 columns
constexpr int64_t kPieceRows = 1024; // of the matrix, unpacked at a time: 8 times as large on the way

// words i32 [..., n] -> u8 [..., n, 8], element j from place order[j]
at::Tensor split_words(const at::Tensor& words, const std::array<int32_t, 8>& order) {
    std::array<int32_t, 8> bits{};
    std::transform(order.begin(), order.end(), bits.begin(), [](int32_t place) { return 4 * place; });
    const at::Tensor shifts = upload<int32_t>(std::span<const int32_t>(bits), words.device());
    return at::bitwise_and(at::bitwise_right_shift(words.unsqueeze(-1), shifts), 15).to(at::kByte);
}

// qweight -> [N, K/2], some rows of the matrix after the other
at::Tensor repack_codes(const at::Tensor& words, bool along_columns, const std::array<int32_t, 8>& order) {
    std::vector<at::Tensor> parts;
    const int64_t per_word = along_columns ? 1 : 8, step = kPieceRows / per_word, width = words.size(1); // N, or N/8
    for (int64_t at = 0; at < width; at += step) {
        const at::Tensor piece = words.narrow(1, at, std::min(step, width - at)).t().contiguous(); // [n, K/8] or [n/8, K]
        const at::Tensor codes = along_columns ? split_words(piece, order).flatten(1)               // [n, K/8, 8]: K in order
                                               : split_words(piece, order).transpose(1, 2).flatten(0, 1); // [n/8, 8, K]
        parts.push_back(pack_halves(codes.contiguous()));
    }
    return at::cat(parts);
}

// g_idx [K]: the group of each column. Undefined where they are runs, as without act order.
at::Tensor groups_of_columns(const StoredLinear& linear, const at::Tensor& order) {
    const at::Tensor groups = order.to(at::kLong);
    const int64_t count = linear.columns / linear.group;
    if (groups.min().item<int64_t>() < 0 || groups.max().item<int64_t>() >= count)
        fail(STEER_ERR_FORMAT, "{}: weight {} names a group that is not below {}", linear.order.source->name(), linear.order.tensor->name, count);
    const at::Tensor runs = at::arange(linear.columns, groups.options()).floor_divide(linear.group);
    return groups.equal(runs) ? at::Tensor() : groups;
}

PackedMatrix repack_int4(const StoredLinear& linear, const ReadPart& read) {
    const bool gptq = linear.form == QuantMethod::gptq;
    const auto& order = gptq ? kInOrder : kAwqOrder;
    PackedMatrix matrix{Form::int4, linear.columns, {}, {}, {}, {}, {}};
    matrix.codes = repack_codes(read(linear.codes), gptq, order);
    matrix.scales = read(linear.scales).t().contiguous();
    at::Tensor zeros = split_words(read(linear.zeros), order).flatten(1); // [K/g, N]
    if (linear.zeros_stored_less_1) zeros = at::bitwise_and(zeros + 1, 15);
    if (linear.zeros_are_8) zeros.fill_(8);
    matrix.zeros = zeros.t().contiguous();
    if (linear.order.tensor != nullptr) matrix.group_of = groups_of_columns(linear, read(linear.order));
    return matrix;
}

// Double quantisation: absmax is a code of 8 bits itself.
at::Tensor unfold_scales(const StoredLinear& linear, const ReadPart& read) {
    const at::Tensor stored = read(linear.scales);
    if (linear.nested_group == 0) return stored;
    const at::Tensor levels = at::index_select(read(linear.nested_levels), 0, stored.to(at::kInt));
    const at::Tensor outer = read(linear.nested_scales).repeat_interleave(linear.nested_group).narrow(0, 0, stored.size(0));
    return levels * outer + linear.nested_offset;
}

PackedMatrix repack_nf4(const StoredLinear& linear, const ReadPart& read) {
    PackedMatrix matrix{Form::nf4, linear.columns, {}, {}, {}, {}, {}};
    const at::Tensor stored = read(linear.codes).view({linear.rows, linear.columns / 2}); // the even column in the high half
    matrix.codes = at::bitwise_or(at::bitwise_right_shift(stored, 4), at::bitwise_left_shift(stored, 4));
    matrix.scales = unfold_scales(linear, read).view({linear.rows, linear.columns / linear.group});
    matrix.levels = read(linear.levels);
    return matrix;
}

PackedMatrix keep_blocks(const StoredLinear& linear, const ReadPart& read) {
    PackedMatrix matrix{Form::gguf, linear.columns, {}, {}, {}, {}, {}};
    matrix.codes = read(linear.codes);
    matrix.block = linear.codes.tensor->dtype;
    return matrix;
}

} // namespace

PackedMatrix repack(const StoredLinear& linear, const ReadPart& read) {
    if (linear.form == QuantMethod::gguf) return keep_blocks(linear, read);
    return linear.form == QuantMethod::nf4 ? repack_nf4(linear, read) : repack_int4(linear, read);
}

} // namespace steer
