#include "torch/weight_reader.h"

#include "files/error.h"
#include "torch/gguf_blocks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace steer {
namespace {

constexpr uint64_t kChunkBytes = 8u << 20; // read at a time where a weight has to be converted or copied to a device

// What is read: elements, or of blocks the bytes.
struct StoredRows {
    at::ScalarType kind;
    int64_t width; // of each row
};

StoredRows stored_rows(const TensorInfo& tensor) {
    const DtypeBlock block = dtype_block(tensor.dtype);
    const auto elements = static_cast<int64_t>(block.elements), bytes = static_cast<int64_t>(block.bytes);
    if (dtype_is_block(tensor.dtype)) return {at::kByte, tensor.shape[1] / elements * bytes};
    return {scalar_type(tensor.dtype, tensor.name), tensor.shape[1]};
}

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
        read_numbers(place, whole.narrow(0, row, count));
        row += count;
    }
    return whole;
}

void WeightReader::read_numbers(const WeightLocation& place, const at::Tensor& target) {
    if (!dtype_is_block(place.tensor->dtype)) return read_into(place, target);
    visit_rows(place, [&](int64_t begin, const at::Tensor& rows) { target.narrow(0, begin, rows.size(0)).copy_(rows); });
}

at::Tensor WeightReader::as_stored(const WeightLocation& place) {
    if (dtype_is_block(place.tensor->dtype)) {
        at::Tensor blocks = at::empty({place.tensor->shape[0], stored_rows(*place.tensor).width}, options_.dtype(at::kByte));
        read_into(place, blocks);
        return blocks;
    }
    at::Tensor whole = at::empty(place.tensor->shape, options_.dtype(scalar_type(place.tensor->dtype, place.tensor->name)));
    read_into(place, whole);
    return whole;
}

void WeightReader::read_into(const WeightLocation& place, at::Tensor target) {
    const bool blocks = dtype_is_block(place.tensor->dtype);
    const at::ScalarType stored = blocks ? at::kByte : scalar_type(place.tensor->dtype, place.tensor->name);
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
    const StoredRows stored = stored_rows(*place.tensor);
    const Dtype dtype = place.tensor->dtype;
    const int64_t rows = place.tensor->shape[0];
    const uint64_t row_bytes = static_cast<uint64_t>(stored.width) * c10::elementSize(stored.kind);
    const auto step = static_cast<int64_t>(std::max<uint64_t>(1, kChunkBytes / row_bytes));
    chunk_.resize(static_cast<size_t>(std::min(step, rows)) * row_bytes);
    for (int64_t row = 0; row < rows; row += step) {
        const int64_t count = std::min(step, rows - row);
        const uint64_t bytes = static_cast<uint64_t>(count) * row_bytes;
        place.read(static_cast<uint64_t>(row) * row_bytes, chunk_.data(), bytes);
        const at::Tensor read = at::from_blob(chunk_.data(), {count, stored.width}, stored.kind).to(device());
        visit(row, dtype_is_block(dtype) ? dequantise_blocks(read, dtype) : read);
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
