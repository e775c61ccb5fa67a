// Between decode.cu and the files that compile a step for one type of weights.
#pragma once

#include "kernels/cuda/decode.h"

namespace steer::cuda {

struct StepCall {
    const DecodeModel& model;
    const DecodeDevice& device;
    const DecodeMemory& memory;
    cudaStream_t queue;
};

template<class T> cudaError_t queue_step(const StepCall& call, int32_t rows);
template<class T> cudaError_t prepare_step(const DecodeModel& model, int32_t rows);

} // namespace steer::cuda
