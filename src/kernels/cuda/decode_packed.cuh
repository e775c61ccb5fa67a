// y = W x of a packed W for the one to four rows of a decode step, on the tensor cores' integer products: exact sums of codes
// times x in 16-bit fixed point, so that no order of adding matters within 64 columns. A warp takes a tile of 16 rows, several
// 64 columns of it in flight; where a matrix has few tiles, several warps of a block share one and add up in order.
#pragma once

#include "kernels/cuda/decode_gemv.cuh"
#include "kernels/cuda/packed_tile.h"

namespace steer::cuda {

struct PackedArgs { // a type of its own: a larger GemvArgs makes nvcc's code for the others worse
    GemvArgs gemv;
    const void* scales;
    int32_t group; // columns that share one
};

// Shared memory: x of the step's rows as bytes [2 rows, stride], the high ones of a row and the low ones; then unit and sum of
// each 64 columns [rows, K / 64].
template<int kRows> class FixedInput {
  public:
    struct Group {
        float unit;
        int32_t sum;
    };

    __device__ FixedInput(unsigned char* memory, int columns) : columns_(columns), bytes_(memory) {
        groups_ = reinterpret_cast<Group*>(memory + 2 * kRows * stride(columns));
    }
    __host__ __device__ static int stride(int columns) { return columns + (columns % 128 == 0 ? 64 : 128); } // no two lanes of a quarter warp in one bank
    __host__ __device__ static size_t size(int columns) {
        return 2 * kRows * static_cast<size_t>(stride(columns)) + kRows * static_cast<size_t>(columns / kTileColumns) * sizeof(Group);
    }

    // read(row, i): 16 bytes of x from component i on. 8 threads for each 64 columns.
    template<class T, class Read> __device__ __forceinline__ void fill(Read read) {
        const int groups = columns_ / kTileColumns, part = static_cast<int>(threadIdx.x) % 8;
        for (int at = static_cast<int>(threadIdx.x) / 8; at < (kRows * groups + 3) / 4 * 4; at += kGemvThreads / 8) {
            const bool there = at < kRows * groups; // whole warps stay for the shuffles
            const int row = there ? at / groups : 0, group = there ? at % groups : 0;
            float x[8];
            unpack<T>(read(row, group * kTileColumns + 8 * part), x);
            store(x, row, group, part, there);
        }
    }

    __device__ __forceinline__ uint4 bytes(int column, int step, int quarter) const { // column 2 row + plane of the product
        return *reinterpret_cast<const uint4*>(bytes_ + column * stride(columns_) + step * kTileColumns + 16 * quarter);
    }
    __device__ __forceinline__ Group group(int row, int step) const { return groups_[row * (columns_ / kTileColumns) + step]; }

  private:
    __device__ __forceinline__ void store(const float (&x)[8], int row, int group, int part, bool there) {
        float largest = 0.0f;
#pragma unroll
        for (float each : x) largest = fmaxf(largest, fabsf(each));
#pragma unroll
        for (int step = 1; step < 8; step *= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, step));
        const float inverse = largest > 0.0f ? kFixedMax / largest : 0.0f;
        uint32_t high[2] = {}, low[2] = {};
        int32_t sum = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int32_t fixed = __float2int_rn(x[i] * inverse);
            sum += fixed;
            high[i / 4] |= (static_cast<uint32_t>(high_byte(fixed)) & 0xff) << (8 * (i % 4));
            low[i / 4] |= (static_cast<uint32_t>(low_byte(fixed)) & 0xff) << (8 * (i % 4));
        }
#pragma unroll
        for (int step = 1; step < 8; step *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
        if (!there) return;
        unsigned char* const to = bytes_ + 2 * row * stride(columns_) + group * kTileColumns + 8 * part;
        *reinterpret_cast<uint2*>(to) = {high[0], high[1]};
        *reinterpret_cast<uint2*>(to + stride(columns_)) = {low[0], low[1]};
        if (part == 0) groups_[row * (columns_ / kTileColumns) + group] = {largest / kFixedMax, sum};
    }

    int columns_;
    unsigned char* bytes_;
    Group* groups_;
};

__device__ __forceinline__ void multiply_tile(int32_t (&c)[4], const CodeOperand& a, uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a.a[0]), "r"(a.a[1]), "r"(a.a[2]), "r"(a.a[3]), "r"(b0), "r"(b1));
}

template<class T, int kRows, Role kRole, Codes kCodes> class PackedGemv {
  public:
    static constexpr int kSumFloats = 2 * 32; // of a warp

    __device__ PackedGemv(const PackedArgs& packed, unsigned char* memory) : args_(packed), input_(memory, packed.gemv.columns) {
        const GemvArgs& args = packed.gemv;
        const int warp = static_cast<int>(threadIdx.x) / 32;
        part_ = warp % args.split;
        tile_ = (warp / args.split) * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
        tile_step_ = (kGemvWarps / args.split) * static_cast<int>(gridDim.x);
        tiles_ = args.rows / kTileRows;
        steps_ = args.columns / kTileColumns;
        turns_ = (steps_ + kDepth * args.split - 1) / (kDepth * args.split);
        groups_ = args.columns / packed.group;
        steps_of_group_ = packed.group / kTileColumns;
    }

    __device__ static int row_of_lane() { return static_cast<int>(threadIdx.x) % 4; } // of the step, whose y a lane finishes
    __device__ FixedInput<kRows>& input() { return input_; }

    __device__ __forceinline__ void start() {
#pragma unroll
        for (int u = 0; u < kDepth; u++) load(u, tile_, 0);
    }

    // As Gemv's; a pair is a row of the tile's upper half with its own of the lower.
    template<class Begin, class Finish> __device__ void run(float* shared_sums, Begin begin, Finish finish) {
        const int lane = static_cast<int>(threadIdx.x) % 32, row = row_of_lane();
        for (int turn_of_tile = 0; tile_ < tiles_; turn_of_tile ^= 1) {
            float sums[2] = {};
            const int pair = tile_ * (kTileRows / 2) + lane / 4;
            const bool finishes = part_ == 0 && row < kRows;
            const float2 base = finishes ? begin(row, pair) : float2{0.0f, 0.0f};
            for (int turn = 0; turn < turns_; turn++) multiply(turn, sums);
            add_up(sums, shared_sums + turn_of_tile * kGemvWarps * kSumFloats);
            if (finishes) finish(row, pair, base.x + sums[0], base.y + sums[1]);
        }
    }

  private:
    static constexpr int kDepth = 4; // tiles in flight

    __device__ int step_of(int turn, int u) const { return (turn * kDepth + u) * args_.gemv.split + part_; }

    __device__ __forceinline__ void load(int u, int tile, int turn) {
        const int step = step_of(turn, u), lane = static_cast<int>(threadIdx.x) % 32;
        if (tile >= tiles_ || step >= steps_) return;
        const auto* const codes = static_cast<const uint4*>(args_.gemv.weight);
        const size_t at = (static_cast<size_t>(tile) * steps_ + step) * kLoads_;
#pragma unroll
        for (int i = 0; i < kLoads_; i++) {
            const uint4 word = load_weights(codes + (at + i) * 32 + lane);
            w_[u][4 * i] = word.x, w_[u][4 * i + 1] = word.y, w_[u][4 * i + 2] = word.z, w_[u][4 * i + 3] = word.w;
        }
        const size_t group = static_cast<size_t>(tile) * groups_ + step / steps_of_group_;
        scales_[u] = __ldg(static_cast<const uint2*>(args_.scales) + group * 8 + lane / 4);
    }

    __device__ __forceinline__ void multiply(int turn, float (&sums)[2]) {
        int next = turn + 1, tile = tile_;
        if (next == turns_) {
            next = 0;
            tile_ = tile = tile_ + tile_step_;
        }
#pragma unroll
        for (int u = 0; u < kDepth; u++) {
            const int step = step_of(turn, u);
            if (step < steps_) add_tile(u, step, sums);
            load(u, tile, next);
        }
    }

    __device__ __forceinline__ void add_tile(int u, int step, float (&sums)[2]) {
        const int lane = static_cast<int>(threadIdx.x) % 32, column = lane / 4;
        const uint4 x = column < 2 * kRows ? input_.bytes(column, step, lane % 4) : make_uint4(0, 0, 0, 0);
        int32_t c[kPlanes<kCodes>][4] = {};
#pragma unroll
        for (int plane = 0; plane < kPlanes<kCodes>; plane++) {
            multiply_tile(c[plane], operand<kCodes>(w_[u], 0, plane), x.x, x.y);
            multiply_tile(c[plane], operand<kCodes>(w_[u], 1, plane), x.z, x.w);
        }
        if (row_of_lane() >= kRows) return;
        const auto group = input_.group(row_of_lane(), step);
        const RowPairScales scales = row_pair_scales(scales_[u]);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int32_t products[kPlanes<kCodes>][2];
#pragma unroll
            for (int plane = 0; plane < kPlanes<kCodes>; plane++)
                products[plane][0] = c[plane][2 * half], products[plane][1] = c[plane][2 * half + 1];
            sums[half] += tile_value<kCodes>(products, group.sum, group.unit, scales.scale[half], scales.zero[half]);
        }
    }

    __device__ static RowPairScales row_pair_scales(uint2 word) {
        if constexpr (kCodes == Codes::int4) {
            const auto zero = [](uint32_t two) { return static_cast<int32_t>(high(two, __half())); };
            return {{low(word.x, __half()), low(word.y, __half())}, {zero(word.x), zero(word.y)}};
        }
        return {{__uint_as_float(word.x), __uint_as_float(word.y)}, {0, 0}};
    }

    // Over the warps that share the tile.
    __device__ void add_up(float (&sums)[2], float* shared_sums) const {
        if (args_.gemv.split == 1) return;
        const int warp = static_cast<int>(threadIdx.x) / 32, first = warp - part_, lane = static_cast<int>(threadIdx.x) % 32;
        auto* const all = reinterpret_cast<float2*>(shared_sums);
        all[warp * 32 + lane] = {sums[0], sums[1]};
        asm volatile("bar.sync %0, %1;" ::"r"(1 + first / args_.gemv.split), "r"(32 * args_.gemv.split) : "memory");
        if (part_ != 0) return;
        sums[0] = sums[1] = 0.0f;
        for (int w = 0; w < args_.gemv.split; w++) sums[0] += all[(first + w) * 32 + lane].x, sums[1] += all[(first + w) * 32 + lane].y;
    }

    static constexpr int kLoads_ = kLaneLoads<kCodes>;

    const PackedArgs& args_;
    FixedInput<kRows> input_;
    int part_, tile_, tile_step_, tiles_, steps_, turns_, groups_, steps_of_group_;
    uint32_t w_[kDepth][4 * kLoads_];
    uint2 scales_[kDepth];
};

// Bytes of shared memory: x in fixed point, and where x is a state that is normed here, that first.
template<class T, int kRows, Role kRole> size_t packed_shared(int columns) {
    return FixedInput<kRows>::size(columns) + (kReadsState<kRole> ? StateMemory<T, kRows>::size(columns) : 0);
}

template<class T, int kRows, Role kRole, Codes kCodes>
__global__ void __launch_bounds__(kGemvThreads, 2) packed_kernel(const PackedArgs packed) {
    const GemvArgs& args = packed.gemv;
    extern __shared__ __align__(16) unsigned char shared[];
    using Product = PackedGemv<T, kRows, kRole, kCodes>;
    __shared__ float block_sums[2 * kGemvWarps];
    __shared__ __align__(8) float tile_sums[2 * kGemvWarps * Product::kSumFloats];
    __shared__ uint32_t block_largest[kRows];
    let_successor_begin();
    if (kRole == Role::head && threadIdx.x < kRows) block_largest[threadIdx.x] = 0;
    Product gemv(packed, shared);
    if constexpr (kReadsState<kRole>) {
        T* const normed = reinterpret_cast<T*>(shared + FixedInput<kRows>::size(args.columns));
        normed_states<T, kRows, kRole != Role::gate_up, kRole == Role::qkv>(args.state, normed, block_sums, [&] { gemv.start(); });
        gemv.input().template fill<T>([&](int row, int i) { return *reinterpret_cast<const uint4*>(normed + row * args.columns + i); });
    } else {
        gemv.start();
        wait_for_predecessor();
        const T* const input = static_cast<const T*>(args.input);
        gemv.input().template fill<T>([&](int row, int i) { return __ldcg(reinterpret_cast<const uint4*>(input + row * args.columns + i)); });
    }
    __syncthreads();

    uint32_t largest = 0;
    gemv.run(tile_sums, [&](int row, int pair) { return base_of<T, kRole>(args, row, pair); },
             [&](int row, int pair, float a, float b) { put_out<T, kRole>(args, row, pair, a, b, largest); });
    if constexpr (kRole == Role::head) tell_largest(args, block_largest, Product::row_of_lane(), largest);
}

} // namespace steer::cuda
