// What happens at a site of the residual stream, on a CUDA device; the same formulas as kernels/cpu/site.h. C++17, plain
// pointers: nvcc compiles it without libtorch. Every pointer is device memory and stays the caller's.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace steer::cuda {

enum class Stream : int32_t { f32, f16, bf16 };

struct SitePush {
    const float* direction; // [H]
    float amount;           // strength times scale, never 0
    uint8_t keep_norm;      // 1: the norm-keeping stage
    uint8_t span;           // SpanMask
    uint8_t unused[2];
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
    const int32_t* probe_begin;    // [sites, R + 1] into probes
    const SitePush* pushes;        // by site, then row, then stage
    const SiteProbe* probes;       // by site, then row
    float* pushed;                 // [R, H]: D, the push so far at each row's last token
    float* readings;
    int32_t row_count, token_count, hidden_size;
};

// stream [T, H] is changed in place; site counts from 0 here (site -1 is 0). Queued on the stream, nothing waits.
cudaError_t visit_site(const SiteTables& tables, int32_t site, void* stream, Stream type, cudaStream_t queue);

} // namespace steer::cuda
