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

    template<class Visit> __device__ void each(int size, Visit visit) { // visit(part, index of its first component)
#pragma unroll
        for (int q = 0; q < kQuads; q++) {
            const int i = static_cast<int>(4 * threadIdx.x) + q * 4 * kGemvThreads;
            if (i < size) visit(of[q], i);
        }
    }
};

__device__ inline float4 quad(const float* from) { return *reinterpret_cast<const float4*>(from); }
// What other kernels of the step write is read from the second-level cache: the first may hold what was there before.
__device__ inline float4 fresh_quad(const float* from) { return __ldcg(reinterpret_cast<const float4*>(from)); }
__device__ inline float dot(const float4& a, const float4& b) { return fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, a.w * b.w))); }
__device__ inline void add(float4& to, float amount, const float4& x) {
    to.x = fmaf(amount, x.x, to.x), to.y = fmaf(amount, x.y, to.y), to.z = fmaf(amount, x.z, to.z), to.w = fmaf(amount, x.w, to.w);
}

// A row's residual stream as the block before has left it; kBegins: it may begin here.
template<class T, bool kBegins> class RowStream {
  public:
    __device__ RowStream(const StateArgs& args, int row) {
        stream_ = args.stream + static_cast<size_t>(row) * args.hidden_size;
        if (!kBegins || args.embedding == nullptr) return;
        token_ = static_cast<const T*>(args.embedding) + static_cast<size_t>(args.control->rows[row].id) * args.hidden_size;
    }
    __device__ float4 at(int i) const { return kBegins && token_ != nullptr ? Four<T>(token_ + i).wide() : fresh_quad(stream_ + i); }

  private:
    const float* stream_;
    const T* token_ = nullptr;
};

// One row's operators and gauges at a site. The block of threads that has the row's number keeps what the others will read:
// D, the readings and, where kKeep, the state after the site.
template<bool kKeep> class RowSite {
  public:
    __device__ RowSite(const StateArgs& args, int row) : args_(args), row_(row) {
        const auto* const sites = reinterpret_cast<const DecodeSite*>(args.control + 1);
        here_ = sites[args.site * kDecodeRowsMax + row];
        keeps_ = blockIdx.x == static_cast<unsigned>(row);
        if (!keeps_) here_.probe_count = 0;
    }

    // More than plain adds, whose sum can be made before the predecessor has ended.
    __device__ bool is_involved() const { return here_.keeps_norm != 0 || here_.probe_count != 0 || (keeps_ && here_.reads_own != 0); }

    // Before the predecessor has ended: directions come from far.
    __device__ void prefetch() const {
        const int line = static_cast<int>(threadIdx.x) * 32;
        for (int p = here_.push_begin; p < here_.push_end; p++)
            for (int i = line; i < args_.hidden_size; i += 32 * kGemvThreads)
                asm volatile("prefetch.global.L2 [%0];" ::"l"(args_.control->pushes[p].direction + i));
    }

    // The sum of the plain adds, each thread's own part; false: there is none.
    __device__ __forceinline__ bool gather(float* to) const {
        if (!acts(false)) return false;
        for (int i = static_cast<int>(4 * threadIdx.x); i < args_.hidden_size; i += 4 * kGemvThreads)
            *reinterpret_cast<float4*>(to + i) = sum_at(i, false);
        return true;
    }

    __device__ __forceinline__ void visit_plainly(State& x, const float* gathered) {
        if (gathered != nullptr) x.each(args_.hidden_size, [&](float4& part, int i) { add(part, 1.0f, quad(gathered + i)); });
        if (kKeep && keeps_) keep(x);
    }

    template<class T> __device__ void visit(State& x, BlockSum& sum) {
        read(x, sum, false);
        bool changed = push_keeping_norm(x, sum);
        if (push(x, false)) changed = true;
        if (!keeps_) return;
        if (kKeep) keep(x);
        note_change<T>(x, changed);
        read(x, sum, true);
    }

  private:
    // What push p adds times its direction; 0: it is off, or of another kind or span.
    __device__ float acting(int p, bool keep_norm) const {
        const DecodePush& push = args_.control->pushes[p];
        const bool acts = (push.keep_norm != 0) == keep_norm && (push.span & args_.control->rows[row_].span) != 0;
        return acts ? push.amount : 0.0f;
    }

    __device__ bool acts(bool keep_norm) const {
        bool any = false;
        for (int p = here_.push_begin; p < here_.push_end; p++) any = any || acting(p, keep_norm) != 0.0f;
        return any;
    }

    // Components i .. i + 3 of the sum of the adds of one kind: in one order, whoever asks.
    __device__ float4 sum_at(int i, bool keep_norm) const {
        float4 sum{0.0f, 0.0f, 0.0f, 0.0f};
        for (int p = here_.push_begin; p < here_.push_end; p++) {
            const float amount = acting(p, keep_norm);
            if (amount != 0.0f) add(sum, amount, quad(args_.control->pushes[p].direction + i));
        }
        return sum;
    }

    __device__ bool push(State& x, bool keep_norm) const {
        if (!acts(keep_norm)) return false;
        x.each(args_.hidden_size, [&](float4& part, int i) { add(part, 1.0f, sum_at(i, keep_norm)); });
        return true;
    }

    // y = x + u, then y |x| / |y|
    __device__ bool push_keeping_norm(State& x, BlockSum& sum) {
        if (!here_.keeps_norm || !acts(true)) return false;
        const float kept = square(x, sum);
        push(x, true);
        const float grown = square(x, sum), scale = grown > 0.0f ? sqrtf(__fdividef(kept, grown)) : 1.0f;
        x.each(args_.hidden_size, [&](float4& part, int) { part.x *= scale, part.y *= scale, part.z *= scale, part.w *= scale; });
        return true;
    }

    __device__ float square(State& x, BlockSum& sum) {
        float mine = 0.0f;
        x.each(args_.hidden_size, [&](float4& part, int) { mine += dot(part, part); });
        return sum(mine);
    }

    // For the o that follows: x as it leaves the site.
    __device__ void keep(State& x) {
        float* const out = args_.after_site + static_cast<size_t>(row_) * args_.hidden_size;
        x.each(args_.hidden_size, [&](float4& part, int i) { *reinterpret_cast<float4*>(out + i) = part; });
    }

    // D grows by the change really made.
    template<class T> __device__ void note_change(State& x, bool changed) {
        const size_t begin = static_cast<size_t>(row_) * args_.hidden_size;
        if (!here_.reads_own || (!changed && args_.site != 0)) return;
        const RowStream<T, true> stream(args_, row_);
        x.each(args_.hidden_size, [&](float4& part, int i) {
            float4 pushed = part;
            add(pushed, -1.0f, stream.at(i));
            if (args_.site != 0) add(pushed, 1.0f, fresh_quad(args_.pushed + begin + i));
            *reinterpret_cast<float4*>(args_.pushed + begin + i) = pushed;
        });
    }

    // raw reads z = x, own z = x - D; metrics 0 cosine, 1 projection, 2 dot. Each thread reads the D that it wrote.
    __device__ void read(State& x, BlockSum& sum, bool after) {
        for (int p = here_.probe_begin; p < here_.probe_begin + here_.probe_count; p++) {
            const SiteProbe& probe = args_.control->probes[p];
            if ((probe.after != 0) != after) continue;
            const float* const pushed = args_.pushed + static_cast<size_t>(row_) * args_.hidden_size;
            const bool own = probe.own && (after || args_.site != 0);
            float along = 0.0f, whole = 0.0f;
            x.each(args_.hidden_size, [&](float4& part, int i) {
                float4 z = part;
                if (own) add(z, -1.0f, fresh_quad(pushed + i));
                along += dot(z, quad(probe.direction + i));
                whole += dot(z, z);
            });
            along = sum(along);
            whole = sum(whole);
            if (probe.metric != 2) along = __fdividef(along, probe.direction_norm);
            if (probe.metric == 0) along *= fminf(rsqrtf(whole), 1e6f);
            if (threadIdx.x == 0) args_.control->readings[probe.reading] = along;
        }
    }

    const StateArgs& args_;
    int row_;
    DecodeSite here_;
    bool keeps_;
};

// RMSNorm of a row's state, rounded, to where the norm's weights lie or to another row.
template<class T> __device__ __forceinline__ void norm_state(const StateArgs& args, State& x, BlockSum& sum, const T* weights, T* to) {
    float mine = 0.0f;
    x.each(args.hidden_size, [&](float4& part, int) { mine += dot(part, part); });
    const float scale = rsqrtf(__fdividef(sum(mine), static_cast<float>(args.hidden_size)) + args.norm_eps);
    x.each(args.hidden_size, [&](float4& part, int i) {
        const float4 weight = Four<T>(weights + i).wide();
        Four<T>(part.x * scale * weight.x, part.y * scale * weight.y, part.z * scale * weight.z, part.w * scale * weight.w).store(to + i);
    });
}

template<class T, int kRows> struct StateMemory { // shared, behind each other: [rows, H] of T, [rows, H] of float
    __host__ __device__ static size_t size(int hidden_size) { return kRows * static_cast<size_t>(hidden_size) * (sizeof(T) + sizeof(float)); }
    __device__ static float* gathered(T* normed, const StateArgs& args, int row) {
        return reinterpret_cast<float*>(normed + kRows * args.hidden_size) + row * args.hidden_size;
    }
};

// States of the rows -> normed, rounded, in shared memory [rows, H]. Waits for the predecessor. start is called as early as
// registers allow: before the wait, or where a site is involved when that is done. kKeep: the state after the site is wanted.
template<class T, int kRows, bool kSite, bool kKeep, class Start>
__device__ __forceinline__ void normed_states(const StateArgs& args, T* to, float* sum_memory, Start start) {
    BlockSum sum(sum_memory);
    State x;
    x.each(args.hidden_size, [&](float4&, int i) { Four<T>(static_cast<const T*>(args.norm) + i).store(to + i); }); // each thread finds its own there
    bool involved = false, pushed[kRows] = {};
    if constexpr (kSite)
        for (int row = 0; row < kRows; row++) involved = involved || RowSite<kKeep>(args, row).is_involved();
    if (!involved) start();
    if constexpr (kSite) {
#pragma unroll
        for (int row = 0; row < kRows; row++) {
            const RowSite<kKeep> site(args, row);
            if (involved) site.prefetch();
            else pushed[row] = site.gather(StateMemory<T, kRows>::gathered(to, args, row));
        }
    }
    wait_for_predecessor();
#pragma unroll
    for (int row = kRows - 1; row >= 0; row--) { // the first comes last: it lies where the norm's weights are
        const RowStream<T, kSite> stream(args, row);
        x.each(args.hidden_size, [&](float4& part, int i) { part = stream.at(i); });
        if constexpr (kSite) {
            if (involved) {
                RowSite<kKeep>(args, row).template visit<T>(x, sum);
                if (row == 0) start();
            } else {
                RowSite<kKeep>(args, row).visit_plainly(x, pushed[row] ? StateMemory<T, kRows>::gathered(to, args, row) : nullptr);
            }
        }
        norm_state(args, x, sum, to, to + static_cast<size_t>(row) * args.hidden_size);
    }
    __syncthreads();
}

} // namespace steer::cuda
