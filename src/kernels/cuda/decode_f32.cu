#include "kernels/cuda/decode_step.cuh"

namespace steer::cuda {

template cudaError_t queue_step<float>(const StepCall& call, int32_t rows);
template cudaError_t prepare_step<float>(const DecodeModel& model, int32_t rows);

} // namespace steer::cuda
