// Attention of one new position of each row over its cached keys and values. A block of threads takes a key head and a run of
// cache blocks; how many runs a row has follows from its own length. Inside, groups of lanes ("workers") take positions in
// turns, each with a softmax of its own; they are merged in one order, and the runs by the block that ends last, in order.
#pragma once

#include "kernels/cuda/decode_device.cuh"

namespace steer::cuda {

constexpr int kAttendThreads = 256, kAttendWarps = kAttendThreads / 32;
constexpr int kAhead = 4; // positions that a worker has in flight

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

template<class T> struct AttendMemory { // shared
    float q[kDecodeGroupMax][kDecodeHeadMax];
    float sums[kAttendWarps][kDecodeGroupMax][kDecodeHeadMax];
    float largest[kAttendWarps][kDecodeGroupMax], weight[kAttendWarps][kDecodeGroupMax];
    float cosine[kDecodeHeadMax / 2], sine[kDecodeHeadMax / 2];
    alignas(16) T key[kDecodeHeadMax];
    alignas(16) T value[kDecodeHeadMax];
    bool last;
};

// Softmax over some positions, not yet divided by its weight: for each query head the largest score, the sum of
// e^(score - largest), and the values' sum so weighted, of which a lane has kPack<T> components.
template<class T> struct Softmax {
    float largest[kDecodeGroupMax], weight[kDecodeGroupMax], sums[kDecodeGroupMax][kPack<T>];

    __device__ Softmax() {
#pragma unroll
        for (int g = 0; g < kDecodeGroupMax; g++) {
            largest[g] = -INFINITY;
            weight[g] = 0.0f;
#pragma unroll
            for (int i = 0; i < kPack<T>; i++) sums[g][i] = 0.0f;
        }
    }

    // Merges with the lane `step` away; both get the same.
    __device__ void merge(int step, int group) {
#pragma unroll
        for (int g = 0; g < kDecodeGroupMax; g++) {
            if (g >= group) break;
            const float other = __shfl_xor_sync(0xffffffffu, largest[g], step), most = fmaxf(largest[g], other);
            const float mine = most == -INFINITY ? 0.0f : expf(largest[g] - most);
            const float theirs = most == -INFINITY ? 0.0f : expf(other - most);
            largest[g] = most;
            weight[g] = weight[g] * mine + __shfl_xor_sync(0xffffffffu, weight[g], step) * theirs;
#pragma unroll
            for (int i = 0; i < kPack<T>; i++)
                sums[g][i] = sums[g][i] * mine + __shfl_xor_sync(0xffffffffu, sums[g][i], step) * theirs;
        }
    }
};

template<class T> class Attend {
  public:
    __device__ Attend(const AttendArgs& args, AttendMemory<T>& memory)
        : args_(args), memory_(memory), row_(args.control->rows[blockIdx.y]) {
        head_ = static_cast<int>(blockIdx.x) % args.kv_head_count;
        split_ = static_cast<int>(blockIdx.x) / args.kv_head_count;
        group_ = args.head_count / args.kv_head_count;
        const int tiles = (row_.kv_len + kDecodeBlock - 1) / kDecodeBlock;
        const int tiles_each = (tiles + kDecodeSplits - 1) / kDecodeSplits;
        splits_ = tiles == 0 ? 0 : (tiles + tiles_each - 1) / tiles_each;
        begin_ = split_ * tiles_each * kDecodeBlock;
        end_ = min(row_.kv_len, begin_ + tiles_each * kDecodeBlock);
        packs_ = args.head_dim / kPack<T>;
        lanes_ = 1;
        while (lanes_ < packs_) lanes_ *= 2;
        lane_ = static_cast<int>(threadIdx.x) % lanes_;
        worker_ = static_cast<int>(threadIdx.x) / lanes_;
        workers_ = kAttendThreads / lanes_;
    }

    __device__ void run() {
        if (split_ >= splits_) { // before it, nothing of this row is wanted
            wait_for_predecessor();
            return;
        }
        uint4 keys[kAhead], values[kAhead];
        load(0, keys, values);
        angles();
        wait_for_predecessor();
        __syncthreads();
        prepare_heads();
        __syncthreads();
        Softmax<T> softmax;
        const int turns = (end_ - begin_ + workers_ - 1) / workers_;
        for (int turn = 0; turn < turns; turn += kAhead) {
            take(turn, keys, values, softmax);
            load(turn + kAhead, keys, values);
        }
        for (int step = lanes_; step < 32; step *= 2) softmax.merge(step, group_);
        merge_warps(softmax);
    }

  private:
    __device__ int position(int turn) const { return begin_ + turn * workers_ + worker_; }

    // keys: 0, values: 1
    __device__ size_t cached(int position, int which) const {
        const auto block = static_cast<size_t>(args_.control->blocks[row_.block_begin + position / kDecodeBlock]);
        const size_t tile = ((block * args_.layer_count + args_.layer) * 2 + which) * args_.kv_head_count + head_;
        return (tile * kDecodeBlock + position % kDecodeBlock) * args_.head_dim;
    }

    // Older positions: no kernel of this step writes them.
    __device__ void load(int turn, uint4 (&keys)[kAhead], uint4 (&values)[kAhead]) const {
        const T* const cache = static_cast<const T*>(args_.control->cache);
#pragma unroll
        for (int u = 0; u < kAhead; u++) {
            keys[u] = values[u] = make_uint4(0, 0, 0, 0);
            const int at = position(turn + u);
            if (at >= end_ || at + 1 == row_.kv_len || lane_ >= packs_) continue;
            keys[u] = reinterpret_cast<const uint4*>(cache + cached(at, 0))[lane_];
            values[u] = reinterpret_cast<const uint4*>(cache + cached(at, 1))[lane_];
        }
    }

    __device__ void angles() {
        const int i = static_cast<int>(threadIdx.x);
        if (i >= args_.head_dim / 2) return;
        float sine, cosine;
        sincosf(static_cast<float>(row_.position) * args_.frequencies[i], &sine, &cosine);
        memory_.sine[i] = sine * args_.rope_scale;
        memory_.cosine[i] = cosine * args_.rope_scale;
    }

    // The query heads into shared memory; where the newest position is, its key and value too, and into the cache.
    __device__ void prepare_heads() {
        const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32, size = args_.head_dim;
        const float* const row = args_.qkv + static_cast<size_t>(blockIdx.y) * (args_.head_count + 2 * args_.kv_head_count) * size;
        const bool newest = split_ + 1 == splits_;
        T* const cache = static_cast<T*>(const_cast<void*>(args_.control->cache));
        for (int task = warp; task < group_ + (newest ? 2 : 0); task += kAttendWarps) {
            if (task < group_) {
                const float scale = rsqrtf(static_cast<float>(size));
                turn(row + (head_ * group_ + task) * size, args_.q_norm, [&](int i, float x) { memory_.q[task][i] = x * scale; });
            } else if (task == group_) {
                T* const out = cache + cached(row_.position, 0);
                turn(row + (args_.head_count + head_) * size, args_.k_norm, [&](int i, float x) {
                    out[i] = memory_.key[i] = from_float<T>(x);
                });
            } else {
                T* const out = cache + cached(row_.position, 1);
                for (int i = lane; i < size; i += 32)
                    out[i] = memory_.value[i] = from_float<T>(__ldcg(row + (args_.head_count + args_.kv_head_count + head_) * size + i));
            }
        }
    }

    // A head [D] by one warp: RMSNorm if there is one, RoPE. store(i, x)
    template<class Store> __device__ void turn(const float* from, const void* norm, Store store) const {
        const int half = args_.head_dim / 2, lane = static_cast<int>(threadIdx.x) % 32;
        const T* const weight = static_cast<const T*>(norm);
        float scale = 1.0f;
        if (weight != nullptr) {
            float square = 0.0f;
            for (int i = lane; i < 2 * half; i += 32) {
                const float x = __ldcg(from + i);
                square += x * x;
            }
            scale = rsqrtf(warp_sum(square) / static_cast<float>(2 * half) + args_.norm_eps);
        }
        for (int i = lane; i < half; i += 32) {
            const float a = __ldcg(from + i) * scale * (weight == nullptr ? 1.0f : to_float(weight[i]));
            const float b = __ldcg(from + half + i) * scale * (weight == nullptr ? 1.0f : to_float(weight[half + i]));
            store(i, a * memory_.cosine[i] - b * memory_.sine[i]);
            store(half + i, b * memory_.cosine[i] + a * memory_.sine[i]);
        }
    }

    __device__ void take(int turn, uint4 (&keys)[kAhead], uint4 (&values)[kAhead], Softmax<T>& softmax) const {
        bool there[kAhead];
#pragma unroll
        for (int u = 0; u < kAhead; u++) {
            const int at = position(turn + u);
            there[u] = at < end_;
            if (!there[u] || at + 1 != row_.kv_len || lane_ >= packs_) continue;
            keys[u] = reinterpret_cast<const uint4*>(memory_.key)[lane_];
            values[u] = reinterpret_cast<const uint4*>(memory_.value)[lane_];
        }
#pragma unroll
        for (int g = 0; g < kDecodeGroupMax; g++) {
            if (g >= group_) break;
            float scores[kAhead], most = softmax.largest[g];
            score(g, keys, scores);
#pragma unroll
            for (int u = 0; u < kAhead; u++) most = fmaxf(most, there[u] ? scores[u] : -INFINITY);
            if (most == -INFINITY) continue;
            const float kept = expf(softmax.largest[g] - most);
            softmax.largest[g] = most;
            softmax.weight[g] *= kept;
#pragma unroll
            for (int i = 0; i < kPack<T>; i++) softmax.sums[g][i] *= kept;
#pragma unroll
            for (int u = 0; u < kAhead; u++) {
                const float share = there[u] ? expf(scores[u] - most) : 0.0f;
                float value[kPack<T>];
                unpack<T>(values[u], value);
                softmax.weight[g] += share;
#pragma unroll
                for (int i = 0; i < kPack<T>; i++) softmax.sums[g][i] = fmaf(share, value[i], softmax.sums[g][i]);
            }
        }
    }

    // Of a query head with the keys in flight, in every lane of the worker.
    __device__ void score(int g, const uint4 (&keys)[kAhead], float (&scores)[kAhead]) const {
        float q[kPack<T>];
#pragma unroll
        for (int i = 0; i < kPack<T>; i++) q[i] = lane_ < packs_ ? memory_.q[g][lane_ * kPack<T> + i] : 0.0f;
#pragma unroll
        for (int u = 0; u < kAhead; u++) {
            float key[kPack<T>];
            unpack<T>(keys[u], key);
            scores[u] = 0.0f;
#pragma unroll
            for (int i = 0; i < kPack<T>; i++) scores[u] = fmaf(q[i], key[i], scores[u]);
        }
        for (int step = lanes_ / 2; step > 0; step /= 2)
#pragma unroll
            for (int u = 0; u < kAhead; u++) scores[u] += __shfl_xor_sync(0xffffffffu, scores[u], step);
    }

    __device__ void merge_warps(const Softmax<T>& softmax) {
        const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
        for (int g = 0; g < kDecodeGroupMax; g++) {
            if (g >= group_) break;
            if (lane == 0) memory_.largest[warp][g] = softmax.largest[g], memory_.weight[warp][g] = softmax.weight[g];
#pragma unroll
            for (int i = 0; i < kPack<T>; i++)
                if (lane < packs_) memory_.sums[warp][g][lane * kPack<T> + i] = softmax.sums[g][i];
        }
        __syncthreads();
        const int size = args_.head_dim;
        const size_t row_head = static_cast<size_t>(blockIdx.y) * args_.kv_head_count + head_, each = group_ * (size + 2);
        float* const mine = args_.partials + (row_head * kDecodeSplits + split_) * each;
        for (int at = static_cast<int>(threadIdx.x); at < group_ * size; at += kAttendThreads) {
            const int g = at / size, i = at % size;
            float largest, weight, sum;
            merge(kAttendWarps, [&](int w) { return memory_.largest[w][g]; }, [&](int w) { return memory_.weight[w][g]; },
                  [&](int w) { return memory_.sums[w][g][i]; }, largest, weight, sum);
            if (splits_ == 1) {
                put(g, i, sum / weight);
                continue;
            }
            mine[g * (size + 2) + i] = sum;
            if (i == 0) mine[g * (size + 2) + size] = largest, mine[g * (size + 2) + size + 1] = weight;
        }
        if (splits_ > 1) merge_splits(row_head, each);
    }

    // The block that ends last of a row's key head merges what all have left.
    __device__ void merge_splits(size_t row_head, size_t each) {
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0)
            memory_.last = atomicInc(args_.tickets + row_head, static_cast<unsigned>(splits_ - 1)) + 1 == static_cast<unsigned>(splits_);
        __syncthreads();
        if (!memory_.last) return;
        __threadfence();
        const int size = args_.head_dim;
        const float* const all = args_.partials + row_head * kDecodeSplits * each;
        for (int at = static_cast<int>(threadIdx.x); at < group_ * size; at += kAttendThreads) {
            const int g = at / size, i = at % size;
            const float* const here = all + g * (size + 2);
            float largest, weight, sum;
            merge(splits_, [&](int s) { return __ldcg(here + s * each + size); }, [&](int s) { return __ldcg(here + s * each + size + 1); },
                  [&](int s) { return __ldcg(here + s * each + i); }, largest, weight, sum);
            put(g, i, sum / weight);
        }
    }

    template<class Largest, class Weight, class Sum>
    __device__ static void merge(int count, Largest largest_of, Weight weight_of, Sum sum_of, float& largest, float& weight, float& sum) {
        largest = -INFINITY, weight = 0.0f, sum = 0.0f;
        for (int n = 0; n < count; n++) largest = fmaxf(largest, largest_of(n));
        for (int n = 0; n < count; n++) {
            const float share = expf(largest_of(n) - largest);
            weight += share * weight_of(n);
            sum += share * sum_of(n);
        }
    }

    __device__ void put(int g, int i, float x) const {
        const size_t at = (static_cast<size_t>(blockIdx.y) * args_.head_count + head_ * group_ + g) * args_.head_dim + i;
        static_cast<T*>(args_.attended)[at] = from_float<T>(x);
    }

    const AttendArgs& args_;
    AttendMemory<T>& memory_;
    const DecodeRow& row_;
    int head_, split_, splits_, group_, begin_, end_, packs_, lanes_, lane_, worker_, workers_;
};

template<class T> __global__ void __launch_bounds__(kAttendThreads, 2) attend_kernel(const AttendArgs args) {
    __shared__ AttendMemory<T> memory;
    let_successor_begin();
    Attend<T>(args, memory).run();
}

} // namespace steer::cuda
