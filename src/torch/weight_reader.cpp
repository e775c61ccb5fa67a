#include "torch/weight_reader.h"

#include "files/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace steer {
namespace {

constexpr uint64_t kChunkBytes = 8u << 20; // read at a time where a weight has to be converted or copied to a device

} // namespace

at::ScalarType scalar_type(Dtype dtype, const std::string& name) {
    switch (dtype) {
    case Dtype::f32: return at::kFloat;
    case Dtype::f16: return at::kHalf;
    case Dtype::bf16: return at::kBFloat16;
    case Dtype::i32: return at::kInt;
    case Dtype::u8: return at::kByte;
    default: fail(STEER_ERR_UNSUPPORTED, "{}: weights stored as {} are not supported", name, dtype_name(dtype));
    }
}

WeightReader::WeightReader(const Package& package, at::ScalarType dtype, at::Device device, const Progress& progress)
    : package_(package), options_(at::TensorOptions().dtype(dtype).device(device)), progress_(progress) {
    for (const auto& [name, place] : package.weights) total_ += place.tensor->size();
}

at::Tensor WeightReader::stacked(const std::vector<std::string>& names) {
    int64_t rows = 0;
    std::vector<int64_t> shape;
    for (const std::string& name : names) {
        shape = package_.weight(name).tensor->shape;
        rows += shape[0];
    }
    shape[0] = rows;
    at::Tensor whole = at::empty(shape, options_);
    int64_t row = 0;
    for (const std::string& name : names) {
        const WeightLocation& place = package_.weight(name);
        const int64_t count = place.tensor->shape[0];
        read_into(place, whole.narrow(0, row, count));
        row += count;
    }
    return whole;
}

at::Tensor WeightReader::as_stored(const WeightLocation& place) {
    at::Tensor whole = at::empty(place.tensor->shape, options_.dtype(scalar_type(place.tensor->dtype, place.tensor->name)));
    read_into(place, whole);
    return whole;
}

void WeightReader::read_into(const WeightLocation& place, at::Tensor target) {
    const at::ScalarType stored = scalar_type(place.tensor->dtype, place.tensor->name);
    const bool in_place = stored == target.scalar_type() && target.device().is_cpu();
    const uint64_t item = c10::elementSize(stored), size = place.tensor->size();
    at::Tensor flat = target.view({-1});
    for (uint64_t at = 0; at < size; at += kChunkBytes) {
        const uint64_t bytes = std::min(kChunkBytes, size - at);
        if (in_place) {
            place.read(at, static_cast<char*>(flat.data_ptr()) + at, bytes);
        } else {
            chunk_.resize(kChunkBytes);
            place.read(at, chunk_.data(), bytes);
            const auto count = static_cast<int64_t>(bytes / item);
            flat.narrow(0, static_cast<int64_t>(at / item), count).copy_(at::from_blob(chunk_.data(), {count}, stored));
        }
        advance(bytes);
    }
}

void WeightReader::visit_rows(const WeightLocation& place, const std::function<void(int64_t, const at::Tensor&)>& visit) {
    const at::ScalarType stored = scalar_type(place.tensor->dtype, place.tensor->name);
    const int64_t rows = place.tensor->shape[0], columns = place.tensor->shape[1];
    const uint64_t row_bytes = static_cast<uint64_t>(columns) * c10::elementSize(stored);
    const auto step = static_cast<int64_t>(std::max<uint64_t>(1, kChunkBytes / row_bytes));
    chunk_.resize(static_cast<size_t>(std::min(step, rows)) * row_bytes);
    for (int64_t row = 0; row < rows; row += step) {
        const int64_t count = std::min(step, rows - row);
        const uint64_t bytes = static_cast<uint64_t>(count) * row_bytes;
        place.read(static_cast<uint64_t>(row) * row_bytes, chunk_.data(), bytes);
        visit(row, at::from_blob(chunk_.data(), {count, columns}, stored).to(device()));
        advance(bytes);
    }
}

void WeightReader::finish() {
    done_ = total_;
    advance(0);
}

void WeightReader::advance(uint64_t bytes) {
    done_ += bytes;
    const float fraction = std::min(1.0f, static_cast<float>(done_) / static_cast<float>(total_));
    if (progress_ && !progress_(fraction))
        fail(STEER_ERR_CANCELLED, "loading {} was cancelled by the progress callback", package_.folder);
}

} // namespace steer
