#include "kernels/cuda/decode.h"

#include "kernels/cuda/decode_call.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

namespace steer::cuda {
namespace {

// The type of the weights as a value of that type.
template<class Visit> auto with_type(Stream type, Visit visit) {
    switch (type) {
    case Stream::f32: return visit(float());
    case Stream::f16: return visit(__half());
    default: return visit(__nv_bfloat16());
    }
}

size_t item_size(Stream type) { return type == Stream::f32 ? 4 : 2; }

} // namespace

cudaError_t decode_device(int32_t index, DecodeDevice& device) {
    int major = 0;
    cudaError_t error = cudaDeviceGetAttribute(&device.multiprocessors, cudaDevAttrMultiProcessorCount, index);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&device.shared_max, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
    device.overlaps = major >= 9;
    return error;
}

namespace {

// Packed matrices of a layer must be whole tiles, and what they are multiplied with must fit beside a state.
bool fits_packed(const DecodeModel& model, const DecodeDevice& device, int32_t rows) {
    const auto all = {model.layers[0].qkv, model.layers[0].o, model.layers[0].gate_up, model.layers[0].down, model.head};
    if (std::all_of(all.begin(), all.end(), [](const DecodeMatrix& matrix) { return matrix.codes == Codes::dense; })) return true;
    const int32_t query = model.head_count * model.head_dim, widest = std::max({model.hidden_size, model.ffn_size, query});
    const size_t fixed = static_cast<size_t>(rows) * (2 * (static_cast<size_t>(widest) + 2 * kTileColumns) + static_cast<size_t>(widest) / 8);
    const size_t state = (item_size(model.type) + sizeof(float)) * static_cast<size_t>(rows * model.hidden_size);
    return decodes_packed(model.type) && fixed + state + (12u << 10) <= static_cast<size_t>(device.shared_max);
}

} // namespace

bool can_decode(const DecodeModel& model, const DecodeDevice& device, int32_t rows) {
    const int32_t pack = static_cast<int32_t>(16 / item_size(model.type)), query = model.head_count * model.head_dim;
    const auto packed = [&](int32_t columns) { return columns % pack == 0; };
    const size_t item = item_size(model.type), widest = item * static_cast<size_t>(std::max(model.ffn_size, query)),
                 state = (item + sizeof(float)) * static_cast<size_t>(model.hidden_size); // what GEMVs read from shared memory
    const size_t shared = static_cast<size_t>(rows) * std::max(widest, state) + (4u << 10);
    return packed(model.hidden_size) && packed(model.ffn_size) && packed(query) && packed(model.head_dim) &&
           model.hidden_size % 4 == 0 && model.hidden_size <= kDecodeHiddenMax && model.head_dim <= kDecodeHeadMax &&
           model.head_count / model.kv_head_count <= kDecodeGroupMax && shared <= static_cast<size_t>(device.shared_max) && fits_packed(model, device, rows);
}

cudaError_t prepare_decode(const DecodeModel& model, int32_t rows) {
    return with_type(model.type, [&](auto item) { return prepare_step<decltype(item)>(model, rows); });
}

cudaError_t queue_decode(const DecodeModel& model, const DecodeDevice& device, const DecodeMemory& memory, int32_t rows,
                         cudaStream_t queue) {
    const StepCall call{model, device, memory, queue};
    return with_type(model.type, [&](auto item) { return queue_step<decltype(item)>(call, rows); });
}

} // namespace steer::cuda
