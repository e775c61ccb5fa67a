// y = W x for the one to four rows of a decode step. A warp reads two rows of W side by side, four times 16 bytes of each in
// flight; a register is loaded anew as soon as it has been used, across the end of a row pair too. Where a matrix has few
// rows, several warps of a block share a pair and add up in order.
#pragma once

#include "kernels/cuda/decode_state.cuh"

namespace steer::cuda {

enum class Role { qkv, o, gate_up, down, head };

struct GemvArgs {
    const void *weight, *bias; // [rows, columns], [rows] or NULL
    int32_t rows, columns;
    int32_t split;     // warps that share a pair of rows: 1, 2, 4, 8 or 16
    StateArgs state;   // of qkv, gate_up and head
    const void* input; // of o and down: [step rows, columns]
    float* stream;     // of o and down: [step rows, rows], what is added to
    void* output;      // of qkv, gate_up and head
    uint32_t* largest; // of head
};

constexpr int kLoads = 4; // of 16 bytes, in flight for a row of W in each thread

template<Role kRole> constexpr bool kReadsState = kRole == Role::qkv || kRole == Role::gate_up || kRole == Role::head;

template<class T, int kRows, Role kRole> class Gemv {
  public:
    __device__ Gemv(const GemvArgs& args, T* input) : args_(args), input_(input) {
        const int warp = static_cast<int>(threadIdx.x) / 32;
        part_ = warp % args.split;
        pair_ = (warp / args.split) * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
        pair_step_ = (kGemvWarps / args.split) * static_cast<int>(gridDim.x);
        pairs_ = (args.rows + 1) / 2;
        packs_ = args.columns / kPack<T>;
        turns_ = (packs_ + 32 * kLoads * args.split - 1) / (32 * kLoads * args.split);
        aim(pair_);
#pragma unroll
        for (int u = 0; u < kLoads; u++) load(u, 0);
    }

    // finish(row of the step, pair, y of its first row, y of its second), in one thread each
    template<class Finish> __device__ void run(float* shared_sums, Finish finish) {
        for (int turn_of_pair = 0; pair_ < pairs_; turn_of_pair ^= 1) {
            float sums[kRows][2] = {};
            const int pair = pair_;
            for (int turn = 0; turn < turns_; turn++) multiply(turn, sums);
            add_up(sums, shared_sums + turn_of_pair * kGemvWarps * 2 * kRows);
            const int lane = static_cast<int>(threadIdx.x) % 32;
            if (part_ != 0) continue;
#pragma unroll
            for (int row = 0; row < kRows; row++)
                if (lane == row) finish(row, pair, sums[row][0], sums[row][1]);
        }
    }

  private:
    __device__ void aim(int pair) { // gate_up: a gate's row and its up's
        const int first = kRole == Role::gate_up ? pair : 2 * pair, second = kRole == Role::gate_up ? pairs_ + pair : 2 * pair + 1;
        const auto* const all = static_cast<const uint4*>(args_.weight);
        const bool there = pair < pairs_;
        rows_[0] = all + static_cast<size_t>(there ? first : 0) * packs_;
        rows_[1] = all + static_cast<size_t>(there && second < args_.rows ? second : 0) * packs_;
        left_ = there ? packs_ : 0;
    }

    __device__ int pack_of(int turn, int u) const {
        return ((turn * kLoads + u) * args_.split + part_) * 32 + static_cast<int>(threadIdx.x) % 32;
    }

    __device__ void load(int u, int turn) {
        const int pack = pack_of(turn, u);
        w_[0][u] = w_[1][u] = make_uint4(0, 0, 0, 0);
        if (pack >= left_) return;
        w_[0][u] = load_weights(rows_[0] + pack);
        w_[1][u] = load_weights(rows_[1] + pack);
    }

    __device__ void multiply(int turn, float (&sums)[kRows][2]) {
        int next = turn + 1;
        if (next == turns_) {
            next = 0;
            pair_ += pair_step_;
            aim(pair_);
        }
#pragma unroll
        for (int u = 0; u < kLoads; u++) {
            const int pack = pack_of(turn, u);
            if (pack < packs_) {
                float a[kPack<T>], b[kPack<T>];
                unpack<T>(w_[0][u], a);
                unpack<T>(w_[1][u], b);
#pragma unroll
                for (int row = 0; row < kRows; row++) {
                    float x[kPack<T>];
                    unpack<T>(reinterpret_cast<const uint4*>(input_)[row * packs_ + pack], x);
#pragma unroll
                    for (int i = 0; i < kPack<T>; i++) {
                        sums[row][0] = fmaf(a[i], x[i], sums[row][0]);
                        sums[row][1] = fmaf(b[i], x[i], sums[row][1]);
                    }
                }
            }
            load(u, next);
        }
    }

    // Over the lanes, then over the warps that share the pair.
    __device__ void add_up(float (&sums)[kRows][2], float* shared_sums) const {
#pragma unroll
        for (int row = 0; row < kRows; row++) {
            sums[row][0] = warp_sum(sums[row][0]);
            sums[row][1] = warp_sum(sums[row][1]);
        }
        if (args_.split == 1) return;
        const int warp = static_cast<int>(threadIdx.x) / 32, first = warp - part_;
        if (threadIdx.x % 32 == 0)
#pragma unroll
            for (int i = 0; i < 2 * kRows; i++) shared_sums[warp * 2 * kRows + i] = sums[i / 2][i % 2];
        asm volatile("bar.sync %0, %1;" ::"r"(1 + first / args_.split), "r"(32 * args_.split) : "memory");
        if (part_ != 0) return;
#pragma unroll
        for (int i = 0; i < 2 * kRows; i++) {
            float total = 0.0f;
            for (int w = 0; w < args_.split; w++) total += shared_sums[(first + w) * 2 * kRows + i];
            sums[i / 2][i % 2] = total;
        }
    }

    const GemvArgs& args_;
    const T* input_; // shared memory, [kRows, columns]
    int part_, pair_, pair_step_, pairs_, packs_, turns_, left_;
    const uint4* rows_[2];
    uint4 w_[2][kLoads];
};

template<class T> __device__ void copy_input(const void* from, T* to, int values) {
    const int packs = values / kPack<T>;
    for (int i = static_cast<int>(threadIdx.x); i < packs; i += kGemvThreads)
        reinterpret_cast<uint4*>(to)[i] = __ldcg(static_cast<const uint4*>(from) + i);
    __syncthreads();
}

template<class T, int kRows, Role kRole> __global__ void __launch_bounds__(kGemvThreads, 2) gemv_kernel(const GemvArgs args) {
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ float block_sums[2 * kGemvWarps], pair_sums[2 * kGemvWarps * 2 * kRows];
    __shared__ uint32_t block_largest[kRows];
    T* const input = reinterpret_cast<T*>(shared);
    let_successor_begin();
    if (kRole == Role::head && threadIdx.x < kRows) block_largest[threadIdx.x] = 0;
    Gemv<T, kRows, kRole> gemv(args, input); // the first weights are on their way
    if constexpr (kReadsState<kRole>) {
        normed_states<T, kRows, kRole != Role::gate_up>(args.state, input, block_sums);
    } else {
        wait_for_predecessor();
        copy_input(args.input, input, kRows * args.columns);
    }

    uint32_t largest = 0;
    const T* const bias = static_cast<const T*>(args.bias);
    gemv.run(pair_sums, [&](int row, int pair, float a, float b) {
        const int first = 2 * pair;
        const bool two = first + 1 < args.rows;
        const size_t at = static_cast<size_t>(row) * args.rows + first;
        if constexpr (kRole == Role::gate_up) {
            static_cast<T*>(args.output)[static_cast<size_t>(row) * (args.rows / 2) + pair] = from_float<T>(a / (1.0f + expf(-a)) * b);
        } else if constexpr (kRole == Role::qkv) {
            float* const out = static_cast<float*>(args.output) + at;
            out[0] = bias == nullptr ? a : a + to_float(bias[first]);
            if (two) out[1] = bias == nullptr ? b : b + to_float(bias[first + 1]);
        } else if constexpr (kRole == Role::head) {
            float* const out = static_cast<float*>(args.output) + at;
            const int real = args.state.control->rows[row].vocab_size;
            out[0] = a;
            if (two) out[1] = b;
            if (first < real && a == a) largest = max(largest, ordered(a));
            if (two && first + 1 < real && b == b) largest = max(largest, ordered(b));
        } else { // o adds to what the site left, down to what o left
            const float* const from = (kRole == Role::o ? args.state.after_site : args.stream) + at;
            args.stream[at] = __ldcg(from) + a;
            if (two) args.stream[at + 1] = __ldcg(from + 1) + b;
        }
    });
    if constexpr (kRole == Role::head) { // of the block, then of all: maxima have no order
        const int lane = static_cast<int>(threadIdx.x) % 32;
        if (lane < kRows) atomicMax(block_largest + lane, largest);
        __syncthreads();
        if (threadIdx.x < kRows) atomicMax(args.largest + threadIdx.x, block_largest[threadIdx.x]);
    }
}

} // namespace steer::cuda
