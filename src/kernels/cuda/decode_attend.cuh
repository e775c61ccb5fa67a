// Attention of one new position of each row over its cached keys and values, on tensor cores. A block of threads takes a key
// head and a run of positions; how many runs a row has follows from its own length. A warp takes 16 positions at a time, with
// a softmax of its own. Warps are merged in order, and runs too, by the block that ends last.
//
// The key head's query heads are the rows of S = q K^T (m16n8k16, 8 of 16 rows used) and the columns of O = V^T P. Of what a
// lane holds then, S is P's operand as it is, and keys and values come from memory in 16 bytes a lane, because the order of
// the components in a sum, and of the rows in a tile, is free as long as both sides have the same.
#pragma once

#include "kernels/cuda/decode_heads.cuh"

namespace steer::cuda {

constexpr int kSlice = 16; // positions that a warp takes at a time
constexpr int kAttendWarps = 12, kAttendThreads = 32 * kAttendWarps;

template<class T> struct AttendMemory { // shared
    HeadMemory<T> heads;
    float sums[kAttendWarps][kDecodeGroupMax][kDecodeHeadMax];
    float largest[kAttendWarps][kDecodeGroupMax], weight[kAttendWarps][kDecodeGroupMax];
    float factors[kDecodeSplits][kDecodeGroupMax];
    bool last;
};

struct Operand { // four registers of an mma
    uint32_t of[4];
};

__device__ inline void multiply(float (&c)[4], const Operand& a, uint32_t b0, uint32_t b1, __nv_bfloat16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.of[0]), "r"(a.of[1]), "r"(a.of[2]), "r"(a.of[3]), "r"(b0), "r"(b1));
}
__device__ inline void multiply(float (&c)[4], const Operand& a, uint32_t b0, uint32_t b1, __half) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.of[0]), "r"(a.of[1]), "r"(a.of[2]), "r"(a.of[3]), "r"(b0), "r"(b1));
}

template<class T> __device__ uint32_t pair_of(float a, float b) {
    const T two[2] = {from_float<T>(a), from_float<T>(b)};
    return static_cast<uint32_t>(*reinterpret_cast<const uint16_t*>(&two[0])) |
           static_cast<uint32_t>(*reinterpret_cast<const uint16_t*>(&two[1])) << 16;
}

template<int i> __device__ uint32_t word(const uint4& four) { return i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w; }

template<class T> class Attend {
  public:
    __device__ Attend(const AttendArgs& args, AttendMemory<T>& memory)
        : args_(args),
          memory_(memory),
          heads_(args, memory.heads, static_cast<int>(blockIdx.x) % args.kv_head_count),
          kv_len_(heads_.newest() + 1) {
        split_ = static_cast<int>(blockIdx.x) / args.kv_head_count;
        const int slices = (kv_len_ + kSlice - 1) / kSlice, turn = kDecodeSplits * kAttendWarps;
        const int slices_each = (slices + turn - 1) / turn * kAttendWarps;
        splits_ = slices == 0 ? 0 : (slices + slices_each - 1) / slices_each;
        slice_ = split_ * slices_each + warp();
        slice_end_ = min(slices, (split_ + 1) * slices_each);
    }

    __device__ __forceinline__ void run() {
        if (split_ >= splits_) { // nothing of this row is wanted here
            wait_for_predecessor();
            return;
        }
        uint4 keys[2][kParts], values[4][kHalves];
        load_keys(keys);
        load_values(values);
        heads_.angles();
        __syncthreads();
        wait_for_predecessor();
        heads_.prepare(split_ + 1 == splits_);
        __syncthreads();
        uint4 q[kParts];
#pragma unroll
        for (int j = 0; j < kParts; j++) q[j] = *reinterpret_cast<const uint4*>(&memory_.heads.q[lane() / 4][32 * j + 8 * (lane() % 4)]);

        float sums[kHalves][4][4] = {}, largest = -INFINITY, weight = 0.0f;
        while (slice_ < slice_end_) {
            take_newest(keys, values);
            float shares[2][4] = {};
            score(q, keys, shares);
            const int here = slice_;
            slice_ += kAttendWarps;
            load_keys(keys);
            const float rescale = soften(here, shares, largest, weight);
            weigh(shares, rescale, values, sums);
            load_values(values);
        }
        keep(sums, largest, weight);
        merge_warps();
    }

  private:
    static constexpr int kParts = kDecodeHeadMax / 32, kHalves = kDecodeHeadMax / 64;

    __device__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }
    __device__ static int warp() { return static_cast<int>(threadIdx.x) / 32; }
    __device__ static int value_row(int r) { return 2 * (lane() % 4) + r % 2 + r / 2 * 8; } // of a slice

    // Older positions than the newest: no kernel of this step writes them. All of a slice lie in one cache block.
    __device__ __forceinline__ void load_keys(uint4 (&keys)[2][kParts]) const {
        const T* const from = slice_ < slice_end_ ? heads_.cached(slice_ * kSlice, 0) : nullptr;
#pragma unroll
        for (int n = 0; n < 2; n++) {
            const int position = 8 * n + lane() / 4;
            const bool there = from != nullptr && slice_ * kSlice + position < heads_.newest();
#pragma unroll
            for (int j = 0; j < kParts; j++) {
                const int i = 32 * j + 8 * (lane() % 4);
                keys[n][j] = make_uint4(0, 0, 0, 0);
                if (there && i < args_.head_dim) keys[n][j] = *reinterpret_cast<const uint4*>(from + position * args_.head_dim + i);
            }
        }
    }

    __device__ __forceinline__ void load_values(uint4 (&values)[4][kHalves]) const {
        const T* const from = slice_ < slice_end_ ? heads_.cached(slice_ * kSlice, 1) : nullptr;
#pragma unroll
        for (int r = 0; r < 4; r++) {
            const bool there = from != nullptr && slice_ * kSlice + value_row(r) < heads_.newest();
#pragma unroll
            for (int h = 0; h < kHalves; h++) {
                const int i = 64 * h + 8 * (lane() / 4);
                values[r][h] = make_uint4(0, 0, 0, 0);
                if (there && i < args_.head_dim) values[r][h] = *reinterpret_cast<const uint4*>(from + value_row(r) * args_.head_dim + i);
            }
        }
    }

    __device__ __forceinline__ void take_newest(uint4 (&keys)[2][kParts], uint4 (&values)[4][kHalves]) const {
        const int at = heads_.newest() - slice_ * kSlice;
        if (at >= kSlice) return;
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int j = 0; j < kParts; j++) {
                const int i = 32 * j + 8 * (lane() % 4);
                if (at == 8 * n + lane() / 4 && i < args_.head_dim) keys[n][j] = *reinterpret_cast<const uint4*>(memory_.heads.key + i);
            }
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int h = 0; h < kHalves; h++) {
                const int i = 64 * h + 8 * (lane() / 4);
                if (at == value_row(r) && i < args_.head_dim) values[r][h] = *reinterpret_cast<const uint4*>(memory_.heads.value + i);
            }
    }

    // Of query head lane / 4 with positions 8 n + 2 (lane % 4) + 0 and 1.
    __device__ __forceinline__ void score(const uint4 (&q)[kParts], const uint4 (&keys)[2][kParts], float (&scores)[2][4]) const {
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int j = 0; j < kParts; j++) {
                if (32 * j >= args_.head_dim) continue;
                multiply(scores[n], {q[j].x, 0, q[j].y, 0}, keys[n][j].x, keys[n][j].y, T());
                multiply(scores[n], {q[j].z, 0, q[j].w, 0}, keys[n][j].z, keys[n][j].w, T());
            }
    }

    // scores -> e^(score - largest), largest so far; what came before has to be rescaled by what is returned.
    __device__ __forceinline__ float soften(int slice, float (&scores)[2][4], float& largest, float& weight) const {
        const float scale = rsqrtf(static_cast<float>(args_.head_dim)), before = largest;
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int position = slice * kSlice + 8 * n + 2 * (lane() % 4) + i;
                scores[n][i] = position < kv_len_ ? scores[n][i] * scale : -INFINITY;
                largest = fmaxf(largest, scores[n][i]);
            }
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
        const float rescale = expf(before - largest);
        weight *= rescale;
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                scores[n][i] = expf(scores[n][i] - largest);
                weight += scores[n][i];
            }
        return rescale;
    }

    // sums[h][t]: of query heads 2 (lane % 4) + 0 and 1 the component i = 64 h + 8 (lane / 4) + 2 t, then component i + 1.
    __device__ __forceinline__ void weigh(const float (&shares)[2][4], float rescale, const uint4 (&values)[4][kHalves],
                                          float (&sums)[kHalves][4][4]) const {
        const uint32_t b0 = pair_of<T>(shares[0][0], shares[0][1]), b1 = pair_of<T>(shares[1][0], shares[1][1]);
        const float first = __shfl_sync(0xffffffffu, rescale, 8 * (lane() % 4)), second = __shfl_sync(0xffffffffu, rescale, 8 * (lane() % 4) + 4);
#pragma unroll
        for (int h = 0; h < kHalves; h++) {
            if (64 * h >= args_.head_dim) continue;
#pragma unroll
            for (int t = 0; t < 4; t++) {
                float(&sum)[4] = sums[h][t];
                sum[0] *= first, sum[1] *= second, sum[2] *= first, sum[3] *= second;
            }
            weigh_two<0>(values, h, b0, b1, sums[h]);
            weigh_two<1>(values, h, b0, b1, sums[h]);
            weigh_two<2>(values, h, b0, b1, sums[h]);
            weigh_two<3>(values, h, b0, b1, sums[h]);
        }
    }

    template<int t>
    __device__ __forceinline__ static void weigh_two(const uint4 (&values)[4][kHalves], int h, uint32_t b0, uint32_t b1, float (&sums)[4][4]) {
        const uint32_t w0 = word<t>(values[0][h]), w1 = word<t>(values[1][h]), w2 = word<t>(values[2][h]), w3 = word<t>(values[3][h]);
        multiply(sums[t], {__byte_perm(w0, w1, 0x5410), __byte_perm(w0, w1, 0x7632), __byte_perm(w2, w3, 0x5410), __byte_perm(w2, w3, 0x7632)},
                 b0, b1, T());
    }

    __device__ __forceinline__ void keep(const float (&sums)[kHalves][4][4], float largest, float weight) {
        weight += __shfl_xor_sync(0xffffffffu, weight, 1);
        weight += __shfl_xor_sync(0xffffffffu, weight, 2);
        if (lane() % 4 == 0) memory_.largest[warp()][lane() / 4] = largest, memory_.weight[warp()][lane() / 4] = weight;
        float(&mine)[kDecodeGroupMax][kDecodeHeadMax] = memory_.sums[warp()];
        const int g = 2 * (lane() % 4);
#pragma unroll
        for (int h = 0; h < kHalves; h++)
#pragma unroll
            for (int t = 0; t < 4; t++) {
                const int i = 64 * h + 8 * (lane() / 4) + 2 * t;
                *reinterpret_cast<float2*>(&mine[g][i]) = {sums[h][t][0], sums[h][t][2]};
                *reinterpret_cast<float2*>(&mine[g + 1][i]) = {sums[h][t][1], sums[h][t][3]};
            }
    }

    // Over the warps, in order; then over the splits.
    __device__ __forceinline__ void merge_warps() {
        __syncthreads();
        const int size = args_.head_dim, group = heads_.group(), all = group * size, each = all + 2 * group;
        const size_t row_head = static_cast<size_t>(blockIdx.y) * args_.kv_head_count + blockIdx.x % args_.kv_head_count;
        float* const parts = args_.partials + row_head * kDecodeSplits * each; // of a split: sums, largest, weights
        float* const mine = parts + split_ * each;
        for (int at = static_cast<int>(threadIdx.x); at < all; at += kAttendThreads) {
            const int g = at / size, i = at % size;
            float most = -INFINITY, sum = 0.0f, weight = 0.0f;
#pragma unroll
            for (int w = 0; w < kAttendWarps; w++) most = fmaxf(most, memory_.largest[w][g]);
#pragma unroll
            for (int w = 0; w < kAttendWarps; w++) {
                const float share = expf(memory_.largest[w][g] - most);
                sum = fmaf(share, memory_.sums[w][g][i], sum);
                weight = fmaf(share, memory_.weight[w][g], weight);
            }
            if (splits_ == 1) put(at, __fdividef(sum, weight));
            else mine[at] = sum;
            if (i == 0 && splits_ > 1) mine[all + g] = most, mine[all + group + g] = weight;
        }
        if (splits_ > 1) merge_splits(parts, args_.tickets + row_head, each);
    }

    // The block that ends last of a row's key head merges what all have left.
    __device__ __forceinline__ void merge_splits(const float* parts, uint32_t* ticket, int each) {
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0) memory_.last = atomicInc(ticket, static_cast<unsigned>(splits_ - 1)) + 1 == static_cast<unsigned>(splits_);
        __syncthreads();
        if (!memory_.last) return;
        __threadfence();
        const int size = args_.head_dim, group = heads_.group(), all = group * size, g = warp(), split = lane();
        if (g < group) { // a warp for each query head, a lane for each split
            const float* const here = parts + split * each + all + g;
            const float largest = split < splits_ ? __ldcg(here) : -INFINITY, weight = split < splits_ ? __ldcg(here + group) : 0.0f;
            float most = largest;
#pragma unroll
            for (int step = 16; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step));
            const float share = expf(largest - most);
            memory_.factors[split][g] = __fdividef(share, warp_sum(share * weight));
        }
        __syncthreads();
        for (int at = static_cast<int>(threadIdx.x); at < all; at += kAttendThreads) {
            float sum = 0.0f;
#pragma unroll 4
            for (int s = 0; s < splits_; s++) sum = fmaf(memory_.factors[s][at / size], __ldcg(parts + s * each + at), sum);
            put(at, sum);
        }
    }

    __device__ __forceinline__ void put(int at, float x) const { // at: query head of the group, component
        const int head = static_cast<int>(blockIdx.x) % args_.kv_head_count;
        const size_t begin = (static_cast<size_t>(blockIdx.y) * args_.head_count + head * heads_.group()) * args_.head_dim;
        static_cast<T*>(args_.attended)[begin + at] = from_float<T>(x);
    }

    const AttendArgs& args_;
    AttendMemory<T>& memory_;
    Heads<T> heads_;
    int kv_len_, split_, splits_, slice_, slice_end_;
};

template<class T> __global__ void __launch_bounds__(kAttendThreads, 1) attend_kernel(const AttendArgs args) {
    extern __shared__ __align__(16) unsigned char shared[];
    let_successor_begin();
    Attend<T>(args, *reinterpret_cast<AttendMemory<T>*>(shared)).run();
}

} // namespace steer::cuda
