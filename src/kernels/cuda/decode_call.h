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

struct PackedArgs;

// A packed matrix times the rows of a step, as the role of its kernel (decode_gemv.cuh) wants it. Where no such kernel is built:
// cudaErrorNotSupported.
template<class T> cudaError_t queue_packed(const DecodeDevice& device, const PackedArgs& args, Codes codes, int role, int32_t rows, cudaStream_t queue);
template<class T> cudaError_t prepare_packed(const DecodeModel& model, int32_t rows);

template<class T> cudaError_t queue_step(const StepCall& call, int32_t rows);
template<class T> cudaError_t prepare_step(const DecodeModel& model, int32_t rows);

} // namespace steer::cuda
