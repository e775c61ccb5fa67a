#include "kernels/cuda/decode_step.cuh"

namespace steer::cuda {

template cudaError_t queue_step<__nv_bfloat16>(const StepCall& call, int32_t rows);
template cudaError_t prepare_step<__nv_bfloat16>(const DecodeModel& model, int32_t rows);

} // namespace steer::cuda
