#include "kernels/cuda/site.h"

#include "kernels/interval.h"

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
template<class Sum> __device__ Sum block_sum(Sum mine) {
    __shared__ Sum warps[kThreads / 32];
    for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, step);
    __syncthreads(); // the last call's warps have been read
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
    __syncthreads();
    Sum total = 0;
    for (int i = 0; i < kThreads / 32; i++) total += warps[i];
    return total;
}

// raw reads z = x, own z = x - D; metrics 0 cosine, 1 projection, 2 dot. The same in every thread.
template<class Gauge> __device__ float reading(const SiteTables& tables, const Gauge& gauge, const float* x, const float* pushed) {
    float along = 0.0f, square = 0.0f;
    for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads) {
        const float z = gauge.own ? x[i] - pushed[i] : x[i];
        along += z * gauge.direction[i];
        square += z * z;
    }
    along = block_sum(along);
    square = block_sum(square);
    if (gauge.metric != 2) along /= gauge.direction_norm;
    if (gauge.metric == 0) along /= fmaxf(sqrtf(square), 1e-6f);
    return along;
}

__device__ void read(const SiteTables& tables, const SiteProbe& probe, const float* x, const float* pushed) {
    const float value = reading(tables, probe, x, pushed);
    if (threadIdx.x == 0) tables.readings[probe.reading] = value;
}

__device__ void read_gates(const SiteTables& tables, int at, int gate_max, int token, bool after, const float* x,
                           const float* pushed) {
    const int begin = tables.gate_begin[at], end = tables.gate_begin[at + 1];
    for (int g = begin; g < end; g++) {
        if ((tables.gates[g].after != 0) != after) continue;
        const float value = reading(tables, tables.gates[g], x, pushed);
        if (threadIdx.x == 0) tables.gate_values[static_cast<size_t>(token) * gate_max + (g - begin)] = value;
    }
}

// Does it act on a token with this span and these gate bits?
__device__ bool acts(const SiteTables& tables, const SiteScope& scope, int span, uint64_t bits) {
    if ((scope.span & span) == 0) return false;
    if (scope.group_begin == scope.group_end) return true;
    for (int g = scope.group_begin; g < scope.group_end; g++)
        if ((bits & tables.groups[g]) == tables.groups[g]) return true;
    return false;
}

// u = the pushes of one stage that act on this token; false: there is none.
__device__ bool gather(const SiteTables& tables, int begin, int end, bool keep_norm, int span, uint64_t bits, float* u) {
    bool any = false;
    for (int p = begin; p < end; p++) {
        const SitePush& push = tables.pushes[p];
        if ((push.keep_norm != 0) != keep_norm || !acts(tables, push.scope, span, bits)) continue;
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

// Where one thread solves the intervals of a token.
struct HoldMemory {
    double *factor, *rhs, *shifts;
    SiteInterval* intervals;
    int32_t *order, *holds; // holds: which of the table each interval is
    int32_t* equations;

    __host__ __device__ static size_t size(int32_t count) { // in floats; even, so that what comes before stays aligned
        return 2 * (packed_size(count) + 2 * static_cast<size_t>(count)) +
               static_cast<size_t>(count) * (sizeof(SiteInterval) / sizeof(float) + 2) + 2;
    }
    __device__ HoldMemory(float* at, int32_t count) {
        factor = reinterpret_cast<double*>(at);
        rhs = factor + packed_size(count);
        shifts = rhs + count;
        intervals = reinterpret_cast<SiteInterval*>(shifts + count);
        order = reinterpret_cast<int32_t*>(intervals + count);
        holds = order + count;
        equations = holds + count;
    }
};

// Moves x so that all pins and bounds hold; false: none acts, or none has to move anything. One thread solves: the system is
// small, and the same lines as on the CPU.
__device__ bool hold_intervals(const SiteTables& tables, int at, int span, uint64_t bits, float* x, HoldMemory memory) {
    int count = 0;
    bool nothing = true;
    for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads) nothing = nothing && x[i] == 0.0f;
    if (__syncthreads_and(nothing)) return false;
    for (int h = tables.hold_begin[at]; h < tables.hold_begin[at + 1]; h++) {
        const SiteHold& hold = tables.holds[h];
        if (!acts(tables, hold.scope, span, bits)) continue;
        double along = 0.0;
        for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads)
            along += static_cast<double>(x[i]) * static_cast<double>(hold.direction[i]);
        along = block_sum(along);
        if (threadIdx.x == 0) {
            memory.intervals[count] = {along / hold.direction_norm, hold.low, hold.high, hold.share, hold.row, false};
            memory.holds[count] = h;
        }
        count++;
    }
    if (count == 0) return false;
    if (threadIdx.x == 0) {
        IntervalSystem system{tables.cosines + tables.cosine_begin[at], memory.intervals, count, memory.factor, memory.rhs,
                              memory.shifts, memory.order, 0};
        system.solve();
        *memory.equations = system.equations;
    }
    __syncthreads();
    const int equations = *memory.equations;
    for (int e = 0; e < equations; e++) {
        const SiteHold& hold = tables.holds[memory.holds[memory.order[e]]];
        const float step = static_cast<float>(memory.shifts[e] / hold.direction_norm);
        for (int i = threadIdx.x; i < tables.hidden_size; i += kThreads) x[i] += step * hold.direction[i];
    }
    return equations > 0;
}

// One block a token. Each thread owns every kThreads-th component from first to last, so only the sums need the others.
// kGeneral: some row has intervals or gates here; without, a site costs what adds and gauges cost.
template<class T, bool kGeneral> __global__ void site_kernel(SiteTables tables, int site, SiteLoad load, T* stream) {
    const int token = blockIdx.x, row = tables.row_of[token], size = tables.hidden_size;
    const int at = site * (tables.row_count + 1) + row;
    const int push_begin = tables.push_begin[at], push_end = tables.push_begin[at + 1];
    const bool last = tables.last_of_row[token] != 0;
    const int probe_begin = tables.probe_begin[at], probe_end = last ? tables.probe_begin[at + 1] : probe_begin;
    const bool holds = kGeneral && tables.hold_begin[at] != tables.hold_begin[at + 1];
    const bool gates = kGeneral && tables.gate_begin[at] != tables.gate_begin[at + 1];
    if (push_begin == push_end && probe_begin == probe_end && !holds && !gates) return;

    extern __shared__ __align__(16) float shared[];
    float* x = shared + (kGeneral ? HoldMemory::size(load.holds) : 0); // [H] each: the state, the sum of a stage
    float* u = x + size;
    T* state = stream + static_cast<size_t>(token) * size;
    const int pushed_of = tables.pushed_of[token];
    float* pushed = pushed_of < 0 ? nullptr : tables.pushed + static_cast<size_t>(pushed_of) * size;
    for (int i = threadIdx.x; i < size; i += kThreads) x[i] = to_float(state[i]);
    for (int p = probe_begin; p < probe_end; p++)
        if (!tables.probes[p].after) read(tables, tables.probes[p], x, pushed);
    if (gates) read_gates(tables, at, load.gates, token, false, x, pushed);

    const int span = tables.chooses_reply[token] ? 2 : 1;
    const uint64_t bits = tables.gate_bits == nullptr ? 0 : tables.gate_bits[token];
    bool changed = false;
    if (gather(tables, push_begin, push_end, true, span, bits, u)) { // y = x + u, then y |x| / |y|
        const float kept = norm(x, size);
        for (int i = threadIdx.x; i < size; i += kThreads) u[i] += x[i];
        const float grown = norm(u, size);
        if (kept > 0.0f && grown > 0.0f) {
            for (int i = threadIdx.x; i < size; i += kThreads) x[i] = u[i] * (kept / grown);
            changed = true;
        }
    }
    if (gather(tables, push_begin, push_end, false, span, bits, u)) {
        for (int i = threadIdx.x; i < size; i += kThreads) x[i] += u[i];
        changed = true;
    }
    if constexpr (kGeneral)
        if (holds && hold_intervals(tables, at, span, bits, x, HoldMemory(shared, load.holds))) changed = true;
    if (changed)
        for (int i = threadIdx.x; i < size; i += kThreads) {
            const float before = to_float(state[i]);
            from_float(x[i], state[i]);
            x[i] = to_float(state[i]);
            if (pushed != nullptr) pushed[i] += x[i] - before; // D: the change really made
        }
    for (int p = probe_begin; p < probe_end; p++)
        if (tables.probes[p].after) read(tables, tables.probes[p], x, pushed);
    if (gates) read_gates(tables, at, load.gates, token, true, x, pushed);
}

// The states of a row's gates here, from token to token: one thread a row.
__global__ void advance_gates(SiteTables tables, int site, int gate_max) {
    const int row = blockIdx.x, at = site * (tables.row_count + 1) + row;
    const int begin = tables.gate_begin[at], end = tables.gate_begin[at + 1];
    for (int g = begin; g < end; g++) {
        const uint64_t bit = uint64_t{1} << tables.gates[g].bit;
        bool on = (tables.gates_before[row] & bit) != 0;
        for (int token = tables.row_begin[row]; token < tables.row_begin[row + 1]; token++) {
            on = tables.gates[g].comparator.next(on, tables.gate_values[static_cast<size_t>(token) * gate_max + (g - begin)]);
            if (on) tables.gate_bits[token] |= bit;
        }
    }
}

template<class T, bool kGeneral>
cudaError_t launch(const SiteTables& tables, int32_t site, SiteLoad load, void* stream, cudaStream_t queue) {
    const size_t floats = 2 * static_cast<size_t>(tables.hidden_size) + (kGeneral ? HoldMemory::size(load.holds) : 0);
    const size_t shared = sizeof(float) * floats;
    if (shared > 48u << 10) { // more than a kernel gets unasked; set again for every device, it costs a microsecond
        const cudaError_t error = cudaFuncSetAttribute(site_kernel<T, kGeneral>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                       static_cast<int>(shared));
        if (error != cudaSuccess) return error;
    }
    site_kernel<T, kGeneral><<<tables.token_count, kThreads, shared, queue>>>(tables, site, load, static_cast<T*>(stream));
    if (kGeneral && load.gates > 0) advance_gates<<<tables.row_count, 1, 0, queue>>>(tables, site, load.gates);
    return cudaGetLastError();
}

template<class T>
cudaError_t visit(const SiteTables& tables, int32_t site, SiteLoad load, void* stream, cudaStream_t queue) {
    return load.holds > 0 || load.gates > 0 ? launch<T, true>(tables, site, load, stream, queue)
                                            : launch<T, false>(tables, site, load, stream, queue);
}

} // namespace

cudaError_t visit_site(const SiteTables& tables, int32_t site, SiteLoad load, void* stream, Stream type, cudaStream_t queue) {
    switch (type) {
    case Stream::f32: return visit<float>(tables, site, load, stream, queue);
    case Stream::f16: return visit<__half>(tables, site, load, stream, queue);
    case Stream::bf16: return visit<__nv_bfloat16>(tables, site, load, stream, queue);
    }
    return cudaErrorInvalidValue;
}

} // namespace steer::cuda
