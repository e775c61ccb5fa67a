// The same attention in float32, which tensor cores do not have: for comparisons, not for speed. A warp takes a query head, 32
// positions at a time.
#pragma once

#include "kernels/cuda/decode_attend.cuh"

namespace steer::cuda {

template<> struct AttendMemory<float> {
    HeadMemory<float> heads;
};

template<> class Attend<float> {
  public:
    __device__ Attend(const AttendArgs& args, AttendMemory<float>& memory)
        : args_(args), memory_(memory.heads), head_(static_cast<int>(blockIdx.x)), heads_(args, memory.heads, head_) {}

    __device__ void run() {
        if (head_ >= args_.kv_head_count || heads_.newest() < 0) {
            wait_for_predecessor();
            return;
        }
        heads_.angles();
        __syncthreads();
        wait_for_predecessor();
        heads_.prepare(true);
        __syncthreads();
        for (int g = static_cast<int>(threadIdx.x) / 32; g < heads_.group(); g += kAttendWarps) attend(g);
    }

  private:
    static constexpr int kColumns = kDecodeHeadMax / 32;

    __device__ void attend(int g) const {
        const int lane = static_cast<int>(threadIdx.x) % 32, size = args_.head_dim;
        float largest = -INFINITY, weight = 0.0f, sums[kColumns] = {};
        for (int begin = 0; begin <= heads_.newest(); begin += 32) {
            const float score = score_of(g, begin + lane), before = largest;
            largest = score;
            for (int step = 16; step > 0; step /= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, step));
            largest = fmaxf(largest, before);
            const float share = expf(score - largest), rescale = expf(before - largest);
            weight = weight * rescale + warp_sum(share);
            for (int c = 0; c < kColumns; c++) sums[c] *= rescale;
            for (int p = 0; p < 32 && begin + p <= heads_.newest(); p++) {
                const float here = __shfl_sync(0xffffffffu, share, p);
                const float* const value = begin + p == heads_.newest() ? memory_.value : heads_.cached(begin + p, 1);
                for (int c = 0; c < kColumns; c++)
                    if (32 * c + lane < size) sums[c] = fmaf(here, value[32 * c + lane], sums[c]);
            }
        }
        float* const out = static_cast<float*>(args_.attended) +
                           (static_cast<size_t>(blockIdx.y) * args_.head_count + head_ * heads_.group() + g) * size;
        for (int c = 0; c < kColumns; c++)
            if (32 * c + lane < size) out[32 * c + lane] = sums[c] / weight;
    }

    __device__ float score_of(int g, int position) const {
        if (position > heads_.newest()) return -INFINITY;
        const float* const key = position == heads_.newest() ? memory_.key : heads_.cached(position, 0);
        float sum = 0.0f;
        for (int i = 0; i < args_.head_dim; i++) sum = fmaf(memory_.q[g][i], key[i], sum);
        return sum * rsqrtf(static_cast<float>(args_.head_dim));
    }

    const AttendArgs& args_;
    HeadMemory<float>& memory_;
    int head_;
    Heads<float> heads_;
};

} // namespace steer::cuda
