// From the logits of a decode step to tokens, with the noise of kernels/cpu/philox.h. Log-probability and entropy are those
// of the plain logits over real ids.
#include "kernels/cuda/decode_draw.h"

#include "kernels/cuda/decode_device.cuh"

#include <cfloat>

namespace steer::cuda {
namespace {

constexpr int kThreads = 512, kWarps = kThreads / 32;

__device__ uint4 philox(uint32_t quad, uint32_t position, uint64_t seed) {
    uint4 x = {quad, position, 0, 0};
    auto key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        const uint64_t a = uint64_t{0xD2511F53u} * x.x, b = uint64_t{0xCD9E8D57u} * x.z;
        x = {static_cast<uint32_t>(b >> 32) ^ x.y ^ key0, static_cast<uint32_t>(b),
             static_cast<uint32_t>(a >> 32) ^ x.w ^ key1, static_cast<uint32_t>(a)};
    }
    return x;
}

__device__ float gumbel(uint32_t word) {
    const double u = (static_cast<double>(word) + 0.5) * 0x1p-32;
    return static_cast<float>(-log(-log1p(-u)));
}

// The better of two candidates: the lower id among equals; id -1 is none.
__device__ void take_better(float& best, int32_t& id, float other, int32_t other_id) {
    const bool better = other_id >= 0 && (id < 0 || other > best || (other == best && other_id < id));
    if (better) best = other, id = other_id;
}

__device__ DecodeSums merged(const DecodeSums& a, const DecodeSums& b) {
    DecodeSums all = a;
    all.sum += b.sum;
    all.weighted += b.weighted;
    all.bad |= b.bad;
    take_better(all.best, all.id, b.best, b.id);
    return all;
}

__device__ DecodeSums shuffled(const DecodeSums& from, int step) {
    return {__shfl_xor_sync(0xffffffffu, from.sum, step), __shfl_xor_sync(0xffffffffu, from.weighted, step),
            __shfl_xor_sync(0xffffffffu, from.best, step), __shfl_xor_sync(0xffffffffu, from.id, step),
            __shfl_xor_sync(0xffffffffu, from.bad, step)};
}

__device__ bool is_finite(float x) { return fabsf(x) <= FLT_MAX; }

// Four ids side by side: they share their noise words.
__device__ void take_quad(const DecodeRow& row, const float* logits, int32_t quad, float most, bool greedy, DecodeSums& sums) {
    const uint4 words = greedy ? uint4{} : philox(static_cast<uint32_t>(quad), static_cast<uint32_t>(row.draw_position), row.seed);
    const uint32_t word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int32_t id = 4 * quad + i;
        if (id >= row.vocab_size) return;
        const float logit = __ldcg(logits + id), below = logit - most;
        if (!(logit <= FLT_MAX)) sums.bad = 1;
        if (below > -87.0f) {
            const float weight = expf(below);
            sums.sum += weight;
            sums.weighted += weight * below;
        }
        if (!is_finite(logit)) continue;
        const float noisy = greedy ? logit : (logit / row.temperature - most / row.temperature) + gumbel(word[i]);
        take_better(sums.best, sums.id, noisy, id);
    }
}

// In the first thread.
__device__ DecodeSums block_sums(DecodeSums mine, DecodeSums* shared) {
    for (int step = 16; step > 0; step /= 2) mine = merged(mine, shuffled(mine, step));
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x >= 32) return mine;
    mine = threadIdx.x < kWarps ? shared[threadIdx.x] : DecodeSums{0.0f, 0.0f, 0.0f, -1, 0};
    for (int step = kWarps / 2; step > 0; step /= 2) mine = merged(mine, shuffled(mine, step));
    return mine;
}

__device__ void tell(const DecodeSums& all, const float* logits, float most, DecodeDrawn& drawn) {
    const bool finite = all.bad == 0 && all.id >= 0;
    const float log_sum = static_cast<float>(log(static_cast<double>(all.sum)));
    drawn.finite = finite;
    drawn.token = finite ? all.id : -1;
    drawn.log_prob = finite ? (__ldcg(logits + all.id) - most) - log_sum : 0.0f;
    drawn.entropy = finite ? fmaxf(0.0f, log_sum - all.weighted / all.sum) : 0.0f;
}

__global__ void __launch_bounds__(kThreads) draw_kernel(DecodeMemory memory, int32_t vocab_size) {
    __shared__ DecodeSums shared[kWarps];
    __shared__ bool last;
    wait_for_predecessor();
    const DecodeControl& control = *memory.control;
    const int index = static_cast<int>(blockIdx.y);
    const DecodeRow& row = control.rows[index];
    if (blockIdx.x == 0 && index == 0)
        for (int i = static_cast<int>(threadIdx.x); i < control.reading_count; i += kThreads)
            control.told_readings[i] = __ldcg(control.readings + i);
    if (row.kv_len == 0) {
        if (blockIdx.x == 0 && threadIdx.x == 0) memory.largest[index] = 0;
        return;
    }

    const float* const logits = memory.logits + static_cast<size_t>(index) * vocab_size;
    const uint32_t key = __ldcg(memory.largest + index);
    const float most = key == 0 ? -INFINITY : unordered(key);
    const bool greedy = !(row.temperature >= FLT_MIN) || !is_finite(most / row.temperature);
    DecodeSums mine{0.0f, 0.0f, 0.0f, -1, 0};
    const int32_t quads = (row.vocab_size + 3) / 4, step = kDecodeDrawBlocks * kThreads;
    for (int32_t quad = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x); quad < quads; quad += step)
        take_quad(row, logits, quad, most, greedy, mine);
    const DecodeSums block = block_sums(mine, shared);

    DecodeSums* const all = memory.sums + index * kDecodeDrawBlocks;
    uint32_t* const ticket = memory.draw_tickets + index;
    if (threadIdx.x == 0) {
        all[blockIdx.x] = block;
        __threadfence();
        last = atomicInc(ticket, kDecodeDrawBlocks - 1) == kDecodeDrawBlocks - 1;
        __threadfence();
    }
    __syncthreads();
    if (!last) return;
    if (threadIdx.x >= 32) return;
    DecodeSums total{0.0f, 0.0f, 0.0f, -1, 0};
    for (int i = static_cast<int>(threadIdx.x); i < kDecodeDrawBlocks; i += 32) {
        const volatile DecodeSums& from = all[i];
        total = merged(total, {from.sum, from.weighted, from.best, from.id, from.bad});
    }
    for (int step = 16; step > 0; step /= 2) total = merged(total, shuffled(total, step));
    if (threadIdx.x != 0) return;
    tell(total, logits, most, memory.drawn[index]);
    memory.largest[index] = 0;
}

} // namespace

cudaError_t queue_draw(const DecodeDevice& device, const DecodeMemory& memory, int32_t vocab_size, int32_t rows, cudaStream_t queue) {
    return launch(device, draw_kernel, dim3(kDecodeDrawBlocks, static_cast<unsigned>(rows)), kThreads, 0, queue, memory, vocab_size);
}

} // namespace steer::cuda
