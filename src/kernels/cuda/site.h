// What happens at a site of the residual stream, on a CUDA device; the same formulas as kernels/cpu/site.h. C++17, plain
// pointers: nvcc compiles it without libtorch. Every pointer is device memory and stays the caller's.
#pragma once

#include "steer/comparator.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace steer::cuda {

enum class Stream : int32_t { f32, f16, bf16 };

struct SiteScope { // the tokens at which something acts
    int32_t group_begin, group_end; // into SiteTables::groups; empty: whatever the gates say
    uint8_t span;                   // SpanMask
    uint8_t unused[3];
};

struct SitePush { // an add in force
    const float* direction; // [H]
    float amount;           // strength times scale, never 0
    SiteScope scope;
    uint8_t keep_norm;      // 1: the norm-keeping stage
    uint8_t unused[7];
};

struct SiteHold { // an interval in force
    const float* direction; // [H]
    float direction_norm, low, high;
    float share;            // strength times scale, never 0
    int32_t row;            // of the site's cosines
    SiteScope scope;
};

struct SiteGate { // a gate's reading, at every token of its row
    const float* direction; // [H]
    float direction_norm;
    Comparator comparator;
    int32_t bit;
    uint8_t after, own, metric; // as in SiteProbe
    uint8_t unused;
};

struct SiteProbe {
    const float* direction; // [H]
    float direction_norm;
    int32_t reading;        // index into SiteTables::readings
    uint8_t after, own, metric; // Tap::after; own; Metric
    uint8_t unused[5];
};

struct SiteTables { // of a pass
    const int32_t* row_of;         // [T]
    const uint8_t* chooses_reply;  // [T]
    const uint8_t* last_of_row;    // [T]: 1 at the last token of a row
    const int32_t* push_begin;     // [sites, R + 1] into pushes
    const int32_t* hold_begin;     // [sites, R + 1] into holds
    const int32_t* cosine_begin;   // [sites, R + 1] into cosines
    const int32_t* gate_begin;     // [sites, R + 1] into gates
    const int32_t* row_begin;      // [R + 1]: tokens of a row
    const int32_t* pushed_of;      // [T]: which row of `pushed` is the token's D; -1: nobody reads it
    const int32_t* probe_begin;    // [sites, R + 1] into probes
    const SitePush* pushes;        // adds, by site, then row, then stage
    const SiteHold* holds;         // intervals, by site, then row
    const double* cosines;         // between the intervals of a site and row: kernels/interval.h
    const SiteProbe* probes;       // by site, then row
    const SiteGate* gates;         // by site, then row
    const uint64_t* groups;        // gate bits that must all be set, of any group
    const uint64_t* gates_before;  // [R]: bits after the token before the row's first
    uint64_t* gate_bits;           // [T]: after each token; 0 to begin with; NULL where no row has gates
    float* gate_values;            // [T, gate_max of the pass]: what the gates of a site read
    float* pushed;                 // D, the push so far at the tokens where it is read, [H] each
    float* readings;
    int32_t row_count, token_count, hidden_size;
};

struct SiteLoad { // the most that any row has at a site
    int32_t holds, gates; // holds: at most kIntervalsPerSite
};

// stream [T, H] is changed in place; site counts from 0 here (site -1 is 0). Queued on the stream, nothing waits.
cudaError_t visit_site(const SiteTables& tables, int32_t site, SiteLoad load, void* stream, Stream type, cudaStream_t queue);

} // namespace steer::cuda
