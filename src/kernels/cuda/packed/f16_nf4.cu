#include "kernels/cuda/decode_packed_step.cuh"

namespace steer::cuda {

template<> cudaError_t queue_codes<__half, Codes::nf4>(const DecodeDevice& device, const PackedArgs& args, int role, int32_t rows, cudaStream_t queue) {
    return PackedLaunch<__half, Codes::nf4>::queue(device, args, role, rows, queue);
}
template<> cudaError_t prepare_codes<__half, Codes::nf4>(const DecodeModel& model, int32_t rows) {
    return PackedLaunch<__half, Codes::nf4>::prepare(model, rows);
}

} // namespace steer::cuda
