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
    const float* stream; // of down: [step rows, rows], what is added to
    void* output;        // gate_up: [step rows, rows / 2] of T; else [step rows, rows] of float
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
    }

    __device__ __forceinline__ void start() { // the first weights are on their way
        aim(pair_);
#pragma unroll
        for (int u = 0; u < kLoads; u++) load(u, 0);
    }

    // For each pair, in the thread that will finish it: begin(row of the step, pair) -> what y is added to, while the weights
    // are on their way; finish(row, pair, y of its first row, y of its second), what begin gave included.
    template<class Begin, class Finish> __device__ void run(float* shared_sums, Begin begin, Finish finish) {
        for (int turn_of_pair = 0; pair_ < pairs_; turn_of_pair ^= 1) {
            float sums[kRows][2] = {};
            const int pair = pair_;
            const float2 base = part_ == 0 && static_cast<int>(threadIdx.x) % 32 < kRows
                                    ? begin(static_cast<int>(threadIdx.x) % 32, pair)
                                    : float2{0.0f, 0.0f};
            for (int turn = 0; turn < turns_; turn++) multiply(turn, sums);
            add_up(sums, shared_sums + turn_of_pair * kGemvWarps * 2 * kRows);
            const int lane = static_cast<int>(threadIdx.x) % 32;
            if (part_ != 0) continue;
#pragma unroll
            for (int row = 0; row < kRows; row++)
                if (lane == row) finish(row, pair, base.x + sums[row][0], base.y + sums[row][1]);
        }
    }

  private:
    __device__ void aim(int pair) { // gate_up: a gate's row and its up's
        const int first = kRole == Role::gate_up ? pair : 2 * pair, second = kRole == Role::gate_up ? pairs_ + pair : 2 * pair + 1;
        const bool there = pair < pairs_;
        rows_[0] = (there ? first : 0) * packs_;
        rows_[1] = (there && second < args_.rows ? second : 0) * packs_;
        left_ = there ? packs_ : 0;
    }

    __device__ int pack_of(int turn, int u) const {
        return ((turn * kLoads + u) * args_.split + part_) * 32 + static_cast<int>(threadIdx.x) % 32;
    }

    __device__ void load(int u, int turn) {
        const int pack = pack_of(turn, u);
        w_[0][u] = w_[1][u] = make_uint4(0, 0, 0, 0);
        if (pack >= left_) return;
        const auto* const all = static_cast<const uint4*>(args_.weight);
        w_[0][u] = load_weights(all + rows_[0] + pack);
        w_[1][u] = load_weights(all + rows_[1] + pack);
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
#pragma unroll
        for (int i = 0; i < 2 * kRows; i++)
            if (threadIdx.x % 32 == 0) shared_sums[warp * 2 * kRows + i] = sums[i / 2][i % 2];
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
    int rows_[2]; // of W, in packs: 2^31 of them are 32 GB
    uint4 w_[2][kLoads];
};

template<class T> __device__ void copy_input(const void* from, T* to, int values) {
    const int packs = values / kPack<T>;
    for (int i = static_cast<int>(threadIdx.x); i < packs; i += kGemvThreads)
        reinterpret_cast<uint4*>(to)[i] = __ldcg(static_cast<const uint4*>(from) + i);
    __syncthreads();
}

// What y is added to.
template<class T, Role kRole> __device__ __forceinline__ float2 base_of(const GemvArgs& args, int row, int pair) {
    const int first = 2 * pair, second = min(first + 1, args.rows - 1);
    if constexpr (kRole == Role::qkv) {
        const T* const bias = static_cast<const T*>(args.bias);
        return bias == nullptr ? float2{0.0f, 0.0f} : float2{to_float(bias[first]), to_float(bias[second])};
    } else if constexpr (kRole == Role::o || kRole == Role::down) { // o adds to what the site left, down to what o left
        const float* const from = (kRole == Role::o ? args.state.after_site : args.stream) + static_cast<size_t>(row) * args.rows;
        return {__ldcg(from + first), __ldcg(from + second)};
    } else {
        return {0.0f, 0.0f};
    }
}

// Where it goes. largest: of head.
template<class T, Role kRole>
__device__ __forceinline__ void put_out(const GemvArgs& args, int row, int pair, float a, float b, uint32_t& largest) {
    if constexpr (kRole == Role::gate_up) {
        const size_t at = static_cast<size_t>(row) * (args.rows / 2) + pair;
        static_cast<T*>(args.output)[at] = from_float<T>(__fdividef(a, 1.0f + expf(-a)) * b);
    } else {
        const int first = 2 * pair, count = min(2, args.rows - first);
        float* const out = static_cast<float*>(args.output) + static_cast<size_t>(row) * args.rows + first;
        out[0] = a;
        if (count == 2) out[1] = b;
        if constexpr (kRole == Role::head) {
            const int real = args.state.control->rows[row].vocab_size - first;
            if (real > 0 && a == a) largest = max(largest, ordered(a));
            if (real > 1 && count == 2 && b == b) largest = max(largest, ordered(b));
        }
    }
}

// Of the block, then of all: maxima have no order. row: whose y this thread has put out.
template<int kRows> __device__ __forceinline__ void tell_largest(const GemvArgs& args, uint32_t (&block_largest)[kRows], int row, uint32_t largest) {
    if (row < kRows) atomicMax(block_largest + row, largest);
    __syncthreads();
    if (threadIdx.x < kRows) atomicMax(args.largest + threadIdx.x, block_largest[threadIdx.x]);
}

template<class T, int kRows, Role kRole> __global__ void __launch_bounds__(kGemvThreads, 2) gemv_kernel(const GemvArgs args) {
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ float block_sums[2 * kGemvWarps], pair_sums[2 * kGemvWarps * 2 * kRows];
    __shared__ uint32_t block_largest[kRows];
    T* const input = reinterpret_cast<T*>(shared);
    let_successor_begin();
    if (kRole == Role::head && threadIdx.x < kRows) block_largest[threadIdx.x] = 0;
    Gemv<T, kRows, kRole> gemv(args, input);
    if constexpr (kReadsState<kRole>) {
        normed_states<T, kRows, kRole != Role::gate_up, kRole == Role::qkv>(args.state, input, block_sums, [&] { gemv.start(); });
    } else {
        gemv.start();
        wait_for_predecessor();
        copy_input(args.input, input, kRows * args.columns);
    }

    uint32_t largest = 0;
    gemv.run(pair_sums, [&](int row, int pair) { return base_of<T, kRole>(args, row, pair); },
             [&](int row, int pair, float a, float b) { put_out<T, kRole>(args, row, pair, a, b, largest); });
    if constexpr (kRole == Role::head) tell_largest(args, block_largest, static_cast<int>(threadIdx.x) % 32, largest);
}

} // namespace steer::cuda
