// Where libtorch queues what it is asked on a CUDA device, and what CUDA says.
#pragma once

#include "files/error.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cuda_runtime_api.h>

namespace steer {

inline cudaStream_t current_queue(at::Device device) {
    const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
    return static_cast<cudaStream_t>(stream.native_handle());
}

inline void check_cuda(cudaError_t error, const char* doing) {
    if (error == cudaErrorMemoryAllocation) fail(STEER_ERR_DEVICE_MEMORY, "out of device memory: {}", doing);
    if (error != cudaSuccess) fail(STEER_ERR_DEVICE, "CUDA, {}: {}", doing, cudaGetErrorString(error));
}

} // namespace steer
