// The prologue of a GEMV that reads the residual stream: the site of the block before, and RMSNorm.
#pragma once

#include "kernels/cuda/decode_device.cuh"

namespace steer::cuda {

constexpr int kGemvThreads = 512, kGemvWarps = kGemvThreads / 32;
constexpr int kQuads = kDecodeHiddenMax / (4 * kGemvThreads); // float4 of a state in each thread

struct StateArgs { // where a state comes from and what happens to it
    const DecodeControl* control;
    const void* embedding; // not NULL: the stream begins here
    const float* stream;   // [rows, H]
    float *after_site, *pushed;
    const void* norm; // [H]
    float norm_eps;
    int32_t hidden_size;
    int32_t site; // counted from 0; -1: none, the norm alone
};

// Sums over a block of threads in one order: lanes of a warp, then warps. Two buffers take turns, so that a sum costs one
// barrier.
class BlockSum {
  public:
    __device__ explicit BlockSum(float* memory) : memory_(memory) {} // [2 kGemvWarps]
    __device__ float operator()(float mine) {
        float* const warps = memory_ + turn_ * kGemvWarps;
        turn_ ^= 1;
        mine = warp_sum(mine);
        if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
        __syncthreads();
        float total = 0.0f;
#pragma unroll
        for (int i = 0; i < kGemvWarps; i++) total += warps[i];
        return total;
    }

  private:
    float* memory_;
    int turn_ = 0;
};

// Four values side by side.
template<class T> struct Four {
    alignas(4 * sizeof(T)) T of[4];

    Four() = default;
    __device__ explicit Four(const T* from) {
        if constexpr (sizeof(T) == 4) *reinterpret_cast<uint4*>(of) = *reinterpret_cast<const uint4*>(from);
        else *reinterpret_cast<uint2*>(of) = *reinterpret_cast<const uint2*>(from);
    }
    __device__ Four(float a, float b, float c, float d) : of{from_float<T>(a), from_float<T>(b), from_float<T>(c), from_float<T>(d)} {}
    __device__ float4 wide() const { return {to_float(of[0]), to_float(of[1]), to_float(of[2]), to_float(of[3])}; }
    __device__ void store(T* to) const {
        if constexpr (sizeof(T) == 4) *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(of);
        else *reinterpret_cast<uint2*>(to) = *reinterpret_cast<const uint2*>(of);
    }
};

// A state, spread over the block: thread t has components 4 t .. 4 t + 3, and so on in steps of 4 kGemvThreads.
struct State {
    float4 of[kQuads];

    template<class Visit> __device__ void each(int size, Visit visit) { // visit(part, index of its first component, q)
#pragma unroll
        for (int q = 0; q < kQuads; q++) {
            const int i = static_cast<int>(4 * threadIdx.x) + q * 4 * kGemvThreads;
            if (i < size) visit(of[q], i, q);
        }
    }
};

__device__ inline float4 quad(const float* from) { return *reinterpret_cast<const float4*>(from); }
// What other kernels of the step write is read from the second-level cache: the first may hold what was there before.
__device__ inline float4 fresh_quad(const float* from) { return __ldcg(reinterpret_cast<const float4*>(from)); }
__device__ inline float dot(const float4& a, const float4& b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
__device__ inline void add(float4& to, float amount, const float4& x) {
    to.x += amount * x.x, to.y += amount * x.y, to.z += amount * x.z, to.w += amount * x.w;
}

// One row's operators and gauges at a site. The block of threads that has the row's number keeps what the others will read:
// the state after the site, D and the readings.
class RowSite {
  public:
    __device__ RowSite(const StateArgs& args, int row) : args_(args), row_(row) {
        const DecodeControl& control = *args.control;
        const int at = args.site * (kDecodeRowsMax + 1) + row;
        push_begin_ = control.push_begin[at], push_end_ = control.push_begin[at + 1];
        keeps_ = blockIdx.x == static_cast<unsigned>(row);
        probe_begin_ = keeps_ ? control.probe_begin[at] : 0, probe_end_ = keeps_ ? control.probe_begin[at + 1] : 0;
    }

    // Before the predecessor has ended: directions come from far.
    __device__ void prefetch() const {
        const int line = static_cast<int>(threadIdx.x) * 32;
        for (int p = push_begin_; p < push_end_; p++)
            for (int i = line; i < args_.hidden_size; i += 32 * kGemvThreads)
                asm volatile("prefetch.global.L2 [%0];" ::"l"(args_.control->pushes[p].direction + i));
    }

    __device__ void visit(State& x, BlockSum& sum) {
        const DecodeRow& row = args_.control->rows[row_];
        read(x, sum, false);
        const State before = x;
        bool changed = push_keeping_norm(x, sum);
        for (int p = push_begin_; p < push_end_; p++) {
            const float amount = acting(p, false);
            if (amount == 0.0f) continue;
            changed = true;
            const float* const direction = args_.control->pushes[p].direction;
            x.each(args_.hidden_size, [&](float4& part, int i, int) { add(part, amount, quad(direction + i)); });
        }
        if (!keeps_) return;
        keep(x, before, row, changed);
        read(x, sum, true);
    }

  private:
    // What push p adds times its direction; 0: it is off, or of another kind or span.
    __device__ float acting(int p, bool keep_norm) const {
        const DecodePush& push = args_.control->pushes[p];
        const bool acts = (push.keep_norm != 0) == keep_norm && (push.span & args_.control->rows[row_].span) != 0;
        return acts ? args_.control->amounts[p] : 0.0f;
    }

    // y = x + u, then y |x| / |y|
    __device__ bool push_keeping_norm(State& x, BlockSum& sum) {
        State y = x;
        bool any = false;
        for (int p = push_begin_; p < push_end_; p++) {
            const float amount = acting(p, true);
            if (amount == 0.0f) continue;
            any = true;
            const float* const direction = args_.control->pushes[p].direction;
            y.each(args_.hidden_size, [&](float4& part, int i, int) { add(part, amount, quad(direction + i)); });
        }
        if (!any) return false;
        const float kept = sqrtf(square(x, sum)), grown = sqrtf(square(y, sum));
        if (!(kept > 0.0f && grown > 0.0f)) return false;
        const float scale = kept / grown;
        y.each(args_.hidden_size, [&](float4& part, int, int) { part.x *= scale, part.y *= scale, part.z *= scale, part.w *= scale; });
        x = y;
        return true;
    }

    __device__ float square(State& x, BlockSum& sum) {
        float mine = 0.0f;
        x.each(args_.hidden_size, [&](float4& part, int, int) { mine += dot(part, part); });
        return sum(mine);
    }

    __device__ void keep(State& x, const State& before, const DecodeRow& row, bool changed) {
        const size_t begin = static_cast<size_t>(row_) * args_.hidden_size;
        x.each(args_.hidden_size, [&](float4& part, int i, int) { *reinterpret_cast<float4*>(args_.after_site + begin + i) = part; });
        if (!row.reads_own || (!changed && args_.site != 0)) return;
        State change = x;
#pragma unroll
        for (int q = 0; q < kQuads; q++) add(change.of[q], -1.0f, before.of[q]);
        change.each(args_.hidden_size, [&](float4& part, int i, int) { // D: the change really made
            float* const pushed = args_.pushed + begin + i;
            if (args_.site != 0) add(part, 1.0f, fresh_quad(pushed));
            *reinterpret_cast<float4*>(pushed) = part;
        });
    }

    // raw reads z = x, own z = x - D; metrics 0 cosine, 1 projection, 2 dot. Each thread reads the D that it wrote.
    __device__ void read(State& x, BlockSum& sum, bool after) {
        for (int p = probe_begin_; p < probe_end_; p++) {
            const SiteProbe& probe = args_.control->probes[p];
            if ((probe.after != 0) != after) continue;
            const float* const pushed = args_.pushed + static_cast<size_t>(row_) * args_.hidden_size;
            const bool own = probe.own && (after || args_.site != 0);
            float along = 0.0f, whole = 0.0f;
            x.each(args_.hidden_size, [&](float4& part, int i, int) {
                float4 z = part;
                if (own) add(z, -1.0f, fresh_quad(pushed + i));
                along += dot(z, quad(probe.direction + i));
                whole += dot(z, z);
            });
            along = sum(along);
            whole = sum(whole);
            if (probe.metric != 2) along /= probe.direction_norm;
            if (probe.metric == 0) along /= fmaxf(sqrtf(whole), 1e-6f);
            if (threadIdx.x == 0) args_.control->readings[probe.reading] = along;
        }
    }

    const StateArgs& args_;
    int row_, push_begin_, push_end_, probe_begin_, probe_end_;
    bool keeps_;
};

// States of the rows -> normed, rounded, in shared memory [rows, H]. Waits for the predecessor.
template<class T, int kRows, bool kSite> __device__ void normed_states(const StateArgs& args, T* to, float* sum_memory) {
    BlockSum sum(sum_memory);
    if constexpr (kSite)
        for (int row = 0; row < kRows; row++) RowSite(args, row).prefetch();
    Four<T> norm[kQuads];
    State().each(args.hidden_size, [&](float4&, int i, int q) {
        norm[q] = Four<T>(static_cast<const T*>(args.norm) + i);
    });
    wait_for_predecessor();
    for (int row = 0; row < kRows; row++) {
        State x;
        const size_t begin = static_cast<size_t>(row) * args.hidden_size;
        const T* token = static_cast<const T*>(args.embedding);
        if (token != nullptr) token += static_cast<size_t>(args.control->rows[row].id) * args.hidden_size;
        x.each(args.hidden_size, [&](float4& part, int i, int) {
            part = token == nullptr ? fresh_quad(args.stream + begin + i) : Four<T>(token + i).wide();
        });
        if constexpr (kSite) RowSite(args, row).visit(x, sum);
        float mine = 0.0f;
        x.each(args.hidden_size, [&](float4& part, int, int) { mine += dot(part, part); });
        const float scale = rsqrtf(sum(mine) / static_cast<float>(args.hidden_size) + args.norm_eps);
        x.each(args.hidden_size, [&](float4& part, int i, int q) {
            const float4 weight = norm[q].wide();
            Four<T>(part.x * scale * weight.x, part.y * scale * weight.y, part.z * scale * weight.z, part.w * scale * weight.w)
                .store(to + begin + i);
        });
    }
    __syncthreads();
}

} // namespace steer::cuda
