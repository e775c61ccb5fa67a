// What both forms of a decode step's attention begin with: a row's query heads of one key head, its new key and its new value,
// normed, turned by their position and put into the cache.
#pragma once

#include "kernels/cuda/decode_device.cuh"

namespace steer::cuda {

constexpr double kHalfTurns = 0.31830988618379067154; // in a radian

struct AttendArgs {
    const DecodeControl* control;
    const float* qkv;            // [rows, (Hq + 2 Hkv) D]
    const void *q_norm, *k_norm; // [D] or NULL
    const float* frequencies;    // [D / 2]
    float norm_eps, rope_scale;
    int32_t layer, layer_count, head_count, kv_head_count, head_dim;
    float* partials;
    uint32_t* tickets;
    void* attended; // [rows, Hq D]
};

template<class T> struct HeadMemory { // shared
    alignas(16) T q[kDecodeGroupMax][kDecodeHeadMax]; // zeros where there is no head or component
    alignas(16) T key[kDecodeHeadMax];
    alignas(16) T value[kDecodeHeadMax];
    float cosine[kDecodeHeadMax / 2], sine[kDecodeHeadMax / 2];
};

template<class T> class Heads {
  public:
    __device__ Heads(const AttendArgs& args, HeadMemory<T>& memory, int head)
        : args_(args), memory_(memory), head_(head) {
        const DecodeRow& row = args.control->rows[blockIdx.y];
        newest_ = row.kv_len - 1;
        position_ = row.position;
        blocks_ = args.control->blocks + row.block_begin;
        cache_ = static_cast<T*>(const_cast<void*>(args.control->cache));
    }

    __device__ int group() const { return args_.head_count / args_.kv_head_count; }
    __device__ int newest() const { return newest_; } // position in the cache; -1: nobody is in this row

    // A position's key (0) or value (1), [D]; those of a cache block follow each other.
    __device__ __forceinline__ T* cached(int position, int which) const {
        const auto block = static_cast<size_t>(blocks_[position / kDecodeBlock]);
        const size_t tile = ((block * args_.layer_count + args_.layer) * 2 + which) * args_.kv_head_count + head_;
        return cache_ + (tile * kDecodeBlock + position % kDecodeBlock) * args_.head_dim;
    }

    // Before the predecessor has ended; needs a barrier before prepare.
    __device__ __forceinline__ void angles() const {
        for (int i = static_cast<int>(threadIdx.x); i < kDecodeGroupMax * kDecodeHeadMax; i += static_cast<int>(blockDim.x))
            memory_.q[0][i] = from_float<T>(0.0f);
        const int i = static_cast<int>(threadIdx.x);
        if (i >= args_.head_dim / 2) return;
        const double turns = static_cast<double>(static_cast<float>(position_) * args_.frequencies[i]) * kHalfTurns;
        float sine, cosine;
        sincospif(static_cast<float>(turns - 2.0 * rint(0.5 * turns)), &sine, &cosine); // near 0: no slow path for large angles
        memory_.sine[i] = sine * args_.rope_scale;
        memory_.cosine[i] = cosine * args_.rope_scale;
    }

    // A warp for each query head, one for the key and one for the value; these two only where `append`.
    __device__ __forceinline__ void prepare(bool append) const {
        const int lane = static_cast<int>(threadIdx.x) % 32, size = args_.head_dim;
        const float* const row = args_.qkv + static_cast<size_t>(blockIdx.y) * (args_.head_count + 2 * args_.kv_head_count) * size;
        for (int task = static_cast<int>(threadIdx.x) / 32; task < group() + (append ? 2 : 0); task += static_cast<int>(blockDim.x) / 32) {
            if (task < group()) {
                turn(row + (head_ * group() + task) * size, args_.q_norm, [&](int i, T x) { memory_.q[task][i] = x; });
            } else if (task == group()) {
                T* const out = cached(newest_, 0);
                turn(row + (args_.head_count + head_) * size, args_.k_norm, [&](int i, T x) { out[i] = memory_.key[i] = x; });
            } else {
                T* const out = cached(newest_, 1);
                const float* const from = row + (args_.head_count + args_.kv_head_count + head_) * size;
                for (int i = lane; i < size; i += 32) out[i] = memory_.value[i] = from_float<T>(__ldcg(from + i));
            }
        }
    }

  private:
    // A head [D] by one warp: RMSNorm if there is one, RoPE. store(i, x)
    template<class Store> __device__ __forceinline__ void turn(const float* from, const void* norm, Store store) const {
        const int half = args_.head_dim / 2, lane = static_cast<int>(threadIdx.x) % 32;
        const T* const weight = static_cast<const T*>(norm);
        float scale = 1.0f;
        if (weight != nullptr) {
            float square = 0.0f;
            for (int i = lane; i < 2 * half; i += 32) {
                const float x = __ldcg(from + i);
                square += x * x;
            }
            scale = rsqrtf(__fdividef(warp_sum(square), static_cast<float>(2 * half)) + args_.norm_eps);
        }
        for (int i = lane; i < half; i += 32) {
            const float a = __ldcg(from + i) * scale * (weight == nullptr ? 1.0f : to_float(weight[i]));
            const float b = __ldcg(from + half + i) * scale * (weight == nullptr ? 1.0f : to_float(weight[half + i]));
            store(i, from_float<T>(a * memory_.cosine[i] - b * memory_.sine[i]));
            store(half + i, from_float<T>(b * memory_.cosine[i] + a * memory_.sine[i]));
        }
    }

    const AttendArgs& args_;
    HeadMemory<T>& memory_;
    int head_, newest_, position_;
    const int32_t* blocks_;
    T* cache_;
};

} // namespace steer::cuda
