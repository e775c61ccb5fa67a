// What the kernels of a decode step share.
#pragma once

#include "kernels/cuda/decode.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace steer::cuda {

// A kernel may begin before the one before it has ended. Until it has waited it touches only what no kernel of the step
// writes; every thread waits before it reads or writes anything else, and none ends without having waited, so that whoever
// waits for a kernel has waited for all before it.
__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ inline void let_successor_begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
template<class T> __device__ T from_float(float x);
template<> __device__ inline float from_float<float>(float x) { return x; }
template<> __device__ inline __half from_float<__half>(float x) { return __float2half_rn(x); }
template<> __device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

template<class T> constexpr int kPack = 16 / static_cast<int>(sizeof(T)); // values in 16 bytes

__device__ inline float low(uint32_t two, __half) { return __low2float(*reinterpret_cast<__half2*>(&two)); }
__device__ inline float high(uint32_t two, __half) { return __high2float(*reinterpret_cast<__half2*>(&two)); }
__device__ inline float low(uint32_t two, __nv_bfloat16) { return __uint_as_float(two << 16); }
__device__ inline float high(uint32_t two, __nv_bfloat16) { return __uint_as_float(two & 0xffff0000u); }

template<class T> __device__ inline void unpack(const uint4& from, float (&to)[kPack<T>]) {
    const uint32_t words[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if constexpr (sizeof(T) == 4) {
            to[i] = __uint_as_float(words[i]);
        } else {
            to[2 * i] = low(words[i], T());
            to[2 * i + 1] = high(words[i], T());
        }
    }
}

// Weights are read once: they pass by the first-level cache.
__device__ inline uint4 load_weights(const void* from) {
    uint4 to;
    asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to.x), "=r"(to.y), "=r"(to.z), "=r"(to.w)
                 : "l"(from));
    return to;
}

// Floats as unsigned numbers of the same order; above 0, which stands for none.
__device__ inline uint32_t ordered(float x) {
    const uint32_t bits = __float_as_uint(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ inline float unordered(uint32_t key) {
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

__device__ inline float warp_sum(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

// Launches a kernel that may overlap with the one before it.
template<class... Parameters, class... Arguments>
cudaError_t launch(const DecodeDevice& device, void (*kernel)(Parameters...), dim3 grid, int threads, size_t shared,
                   cudaStream_t queue, const Arguments&... arguments) {
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = shared;
    config.stream = queue;
    config.attrs = &overlap;
    config.numAttrs = device.overlaps ? 1 : 0;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

} // namespace steer::cuda
