#include "kernels/cuda/site.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace steer::cuda {
namespace {

constexpr int kThreads = 256;

__device__ float to_float(float x) { return x; }
__device__ float to_float(__half x) { return __half2float(x); }
__device__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void from_float(float x, float& to) { to = x; }
__device__ void from_float(float x, __half& to) { to = __float2half_rn(x); }
__device__ void from_float(float x, __nv_bfloat16& to) { to = __float2bfloat16_rn(x); }

// The sum over the block, in every thread. One order of summation: lanes of a warp, then warps.
__device__ float block_sum(float mine) {
    __shared__ float warps[kThreads / 32];
    for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, step);
    __syncthreads(); // the last call's warps have been read
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
    __syncthreads();
    float total = 0.0f;
    for (int i = 0; i < kThreads / 32; i++) total += warps[i];
    return total;
}

// raw reads z = x, own z = x - D; metrics 0 cosine, 1 projection, 2 dot.
__device__ void read(const SiteTables& tables, const SiteProbe& probe, const float* x, const float* pushed) {
    float along = 0.0f, square = 0.0f;
    for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads) {
        const float z = probe.own ? x[i] - pushed[i] : x[i];
        along += z * probe.direction[i];
        square += z * z;
    }
    along = block_sum(along);
    square = block_sum(square);
    if (probe.metric != 2) along /= probe.direction_norm;
    if (probe.metric == 0) along /= fmaxf(sqrtf(square), 1e-6f);
    if (threadIdx.x == 0) tables.readings[probe.reading] = along;
}

// u = the pushes of one stage that act on this token; false: there is none.
__device__ bool gather(const SiteTables& tables, int begin, int end, bool keep_norm, int span, float* u) {
    bool any = false;
    for (int p = begin; p < end; p++) {
        const SitePush& push = tables.pushes[p];
        if ((push.keep_norm != 0) != keep_norm || (push.span & span) == 0) continue;
        for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads)
            u[i] = (any ? u[i] : 0.0f) + push.amount * push.direction[i];
        any = true;
    }
    return any;
}

__device__ float norm(const float* x, int size) {
    float square = 0.0f;
    for (int i = threadIdx.x; i < size; i += kThreads) square += x[i] * x[i];
    return sqrtf(block_sum(square));
}

// One block a token. Each thread owns every kThreads-th component from first to last, so only the sums need the others.
template<class T> __global__ void site_kernel(SiteTables tables, int site, T* stream) {
    const int token = blockIdx.x, row = tables.row_of[token], size = tables.hidden_size;
    const int at = site * (tables.row_count + 1) + row;
    const int push_begin = tables.push_begin[at], push_end = tables.push_begin[at + 1];
    const bool last = tables.last_of_row[token] != 0;
    const int probe_begin = tables.probe_begin[at], probe_end = last ? tables.probe_begin[at + 1] : probe_begin;
    if (push_begin == push_end && probe_begin == probe_end) return;

    extern __shared__ float shared[];
    float *x = shared, *u = shared + size; // [H] each: the state, the sum of a stage
    T* state = stream + static_cast<size_t>(token) * size;
    float* pushed = tables.pushed + static_cast<size_t>(row) * size;
    for (int i = threadIdx.x; i < size; i += kThreads) x[i] = to_float(state[i]);
    for (int p = probe_begin; p < probe_end; p++)
        if (!tables.probes[p].after) read(tables, tables.probes[p], x, pushed);

    const int span = tables.chooses_reply[token] ? 2 : 1;
    bool changed = false;
    if (gather(tables, push_begin, push_end, true, span, u)) { // y = x + u, then y |x| / |y|
        const float kept = norm(x, size);
        for (int i = threadIdx.x; i < size; i += kThreads) u[i] += x[i];
        const float grown = norm(u, size);
        if (kept > 0.0f && grown > 0.0f) {
            for (int i = threadIdx.x; i < size; i += kThreads) x[i] = u[i] * (kept / grown);
            changed = true;
        }
    }
    if (gather(tables, push_begin, push_end, false, span, u)) {
        for (int i = threadIdx.x; i < size; i += kThreads) x[i] += u[i];
        changed = true;
    }
    if (changed)
        for (int i = threadIdx.x; i < size; i += kThreads) {
            const float before = to_float(state[i]);
            from_float(x[i], state[i]);
            x[i] = to_float(state[i]);
            if (last) pushed[i] += x[i] - before; // D: the change really made
        }
    for (int p = probe_begin; p < probe_end; p++)
        if (tables.probes[p].after) read(tables, tables.probes[p], x, pushed);
}

template<class T> cudaError_t launch(const SiteTables& tables, int32_t site, void* stream, cudaStream_t queue) {
    const size_t shared = 2 * sizeof(float) * static_cast<size_t>(tables.hidden_size);
    if (shared > 48u << 10) { // more than a kernel gets unasked; set again for every device, it costs a microsecond
        const cudaError_t error =
            cudaFuncSetAttribute(site_kernel<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
        if (error != cudaSuccess) return error;
    }
    site_kernel<T><<<tables.token_count, kThreads, shared, queue>>>(tables, site, static_cast<T*>(stream));
    return cudaGetLastError();
}

} // namespace

cudaError_t visit_site(const SiteTables& tables, int32_t site, void* stream, Stream type, cudaStream_t queue) {
    switch (type) {
    case Stream::f32: return launch<float>(tables, site, stream, queue);
    case Stream::f16: return launch<__half>(tables, site, stream, queue);
    case Stream::bf16: return launch<__nv_bfloat16>(tables, site, stream, queue);
    }
    return cudaErrorInvalidValue;
}

} // namespace steer::cuda
