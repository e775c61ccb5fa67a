// Which kernel a packed matrix is for, and what a build without such kernels says.
#include "kernels/cuda/decode_packed_step.cuh"

namespace steer::cuda {

#ifdef STEER_PACKED_DECODE

bool decodes_packed(Stream type) { return type != Stream::f32; } // fixed point of 16 bits is not as fine as float

namespace {

template<class T, class Visit> cudaError_t with_codes(Codes codes, Visit visit) {
    switch (codes) {
    case Codes::int8: return visit(queue_codes<T, Codes::int8>, prepare_codes<T, Codes::int8>);
    case Codes::int4: return visit(queue_codes<T, Codes::int4>, prepare_codes<T, Codes::int4>);
    case Codes::nf4: return visit(queue_codes<T, Codes::nf4>, prepare_codes<T, Codes::nf4>);
    default: return cudaErrorNotSupported;
    }
}

template<class T>
cudaError_t queue_any(const DecodeDevice& device, const PackedArgs& args, Codes codes, int role, int32_t rows, cudaStream_t queue) {
    return with_codes<T>(codes, [&](auto launch_codes, auto) { return launch_codes(device, args, role, rows, queue); });
}

template<class T> cudaError_t prepare_any(const DecodeModel& model, int32_t rows) {
    const DecodeLayer& layer = model.layers[0];
    for (const Codes codes : {layer.qkv.codes, layer.o.codes, layer.gate_up.codes, layer.down.codes, model.head.codes}) {
        if (codes == Codes::dense) continue;
        const cudaError_t error = with_codes<T>(codes, [&](auto, auto prepare) { return prepare(model, rows); });
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

} // namespace

#else

bool decodes_packed(Stream) { return false; }

namespace {

template<class T> cudaError_t queue_any(const DecodeDevice&, const PackedArgs&, Codes, int, int32_t, cudaStream_t) { return cudaErrorNotSupported; }
template<class T> cudaError_t prepare_any(const DecodeModel&, int32_t) { return cudaSuccess; }

} // namespace

#endif

template<> cudaError_t queue_packed<float>(const DecodeDevice&, const PackedArgs&, Codes, int, int32_t, cudaStream_t) {
    return cudaErrorNotSupported;
}
template<> cudaError_t prepare_packed<float>(const DecodeModel&, int32_t) { return cudaSuccess; }

template<> cudaError_t queue_packed<__half>(const DecodeDevice& device, const PackedArgs& args, Codes codes, int role, int32_t rows, cudaStream_t queue) {
    return queue_any<__half>(device, args, codes, role, rows, queue);
}
template<> cudaError_t prepare_packed<__half>(const DecodeModel& model, int32_t rows) { return prepare_any<__half>(model, rows); }

template<> cudaError_t queue_packed<__nv_bfloat16>(const DecodeDevice& device, const PackedArgs& args, Codes codes, int role, int32_t rows,
                                                   cudaStream_t queue) {
    return queue_any<__nv_bfloat16>(device, args, codes, role, rows, queue);
}
template<> cudaError_t prepare_packed<__nv_bfloat16>(const DecodeModel& model, int32_t rows) { return prepare_any<__nv_bfloat16>(model, rows); }

} // namespace steer::cuda
