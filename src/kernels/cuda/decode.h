// One token for each of a few conversations, on a CUDA device: the whole step, embedding to drawn tokens, as a chain of
// kernels that can be captured as a graph. Five kernels a layer; every weight is read once.
//
//   qkv        prologue: site of the block before (gauges, adds, gauges), RMSNorm     epilogue: bias
//   attend     prologue: norms of q and k, RoPE, the new position into the cache      splits merged in order
//   o          epilogue: onto the residual stream
//   gate_up    prologue: RMSNorm                                                      epilogue: SiLU(gate) up
//   down       epilogue: onto the residual stream
//   head       prologue: the last site, RMSNorm                                       epilogue: largest logit
//   draw       greedy or by noise, log-probability, entropy
//
// What changes from step to step lies in device memory (DecodeControl), so a captured step is never captured again: tokens,
// positions, cache blocks, the plan, strengths, how to draw. Sums have one order that depends on the model's sizes and a
// row's own length alone: a row's bits are the same in every batch. The residual stream is float32; what a matrix is
// multiplied with is rounded to the weights' type. C++17, plain pointers: nvcc compiles it without libtorch.
#pragma once

#include "kernels/cuda/packed_tile.h"
#include "kernels/cuda/site.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace steer::cuda {

constexpr int32_t kDecodeRowsMax = 4;
constexpr int32_t kDecodeBlock = 64;     // positions of a cache block
constexpr int32_t kDecodeSplits = 32;    // of a row's positions, at most, among blocks of threads
constexpr int32_t kDecodeGroupMax = 8;   // query heads of a key head
constexpr int32_t kDecodeHiddenMax = 6144;
constexpr int32_t kDecodeHeadMax = 128;
constexpr int32_t kDecodeDrawBlocks = 80; // that share a row's logits: 152,064 are one quad for each thread

struct DecodeMatrix { // device pointers
    const void* weight;          // [N, K] of the model's type; packed: codes, as packed_tile.h says
    Codes codes = Codes::dense;
    const void* scales = nullptr;
    int32_t group = 0;           // columns that share a scale
};

struct DecodeLayer { // shapes as in torch/decoder.py
    const void *input_norm, *post_norm, *qkv_bias, *q_norm, *k_norm; // NULL: has none
    DecodeMatrix qkv, o, gate_up, down;
};

struct DecodeModel {
    Stream type; // of weights and cache
    int32_t layer_count, hidden_size, ffn_size, head_count, kv_head_count, head_dim, vocab_size;
    float norm_eps, rope_scale;
    const float* rope_frequencies; // device, [D / 2]
    const void *embedding, *final_norm;
    DecodeMatrix head;
    const DecodeLayer* layers; // host, [layer_count]
};

struct DecodePush {
    const float* direction; // [H]
    float amount;           // strength times scale; 0: off, bit for bit
    uint8_t keep_norm, span; // span: SpanMask
    uint8_t unused[2];
};

struct alignas(16) DecodeSite { // what a row does at a site
    int32_t push_begin, push_end, probe_begin;
    uint16_t probe_count;
    uint8_t keeps_norm; // one of its adds does
    uint8_t reads_own;  // someone reads the row's x - D, here or at another site
};

struct DecodeRow {
    int32_t id, position, kv_len; // kv_len counts the new position; 0: nobody is in this row
    int32_t block_begin;          // its cache blocks in DecodeControl::blocks
    int32_t vocab_size;           // ids from here on are never drawn
    int32_t draw_position;
    uint64_t seed;
    float temperature; // 0: greedy
    uint8_t span;      // the SpanMask that the new position belongs to
    uint8_t unused[3];
};

// At a fixed place on the device; everything a captured step reads that is not a weight. DecodeSite[sites, kDecodeRowsMax],
// site -1 first, stand behind it, so that a kernel finds a site without asking where.
struct alignas(16) DecodeControl {
    DecodeRow rows[kDecodeRowsMax];
    const void* cache;        // [blocks, layers, 2, Hkv, 64, D]
    const int32_t* blocks;    // ids of the rows' cache blocks
    const DecodePush* pushes; // of a site and row: norm-keeping ones first
    const SiteProbe* probes;
    float* readings;          // of all probes
    float* told_readings;     // the same, in host memory that the device can write
    int32_t reading_count;
};

struct DecodeDrawn { // of a row
    int32_t token, finite; // finite 0: a logit is NaN or +Inf, or all are -Inf; token is -1
    float log_prob, entropy;
};

struct DecodeSums { // of some of a row's logits
    float sum, weighted, best; // of e^(logit - max), of that times (logit - max); best: with noise
    int32_t id, bad;
};

struct DecodeMemory { // device; rows: kDecodeRowsMax
    DecodeControl* control;
    float* stream;      // [rows, H]: x
    float* after_site;  // [rows, H]: x as its site left it
    float* pushed;      // [rows, H]: D
    float* qkv;         // [rows, (Hq + 2 Hkv) D]
    void* attended;     // [rows, Hq D]
    void* activated;    // [rows, I]
    float* partials;    // [rows, Hkv, kDecodeSplits, Hq / Hkv, D + 2]
    uint32_t* tickets;  // [rows, Hkv], all 0 between steps, like those that follow
    uint32_t* draw_tickets; // [rows]
    uint32_t* largest;      // [rows]
    DecodeSums* sums;   // [rows, kDecodeDrawBlocks]
    float* logits;      // [rows, vocab]
    DecodeDrawn* drawn; // [rows], host memory that the device can write
};

struct DecodeDevice {
    int32_t multiprocessors, shared_max; // shared_max: bytes of shared memory that a block may have
    bool overlaps;                       // a kernel may start while the one before it ends
};

cudaError_t decode_device(int32_t index, DecodeDevice& device);

// Whether kernels for packed matrices are in this build, for this type of x.
bool decodes_packed(Stream type);

// Whether a step of so many rows can be computed here; rows is 1, 2 or 4.
bool can_decode(const DecodeModel& model, const DecodeDevice& device, int32_t rows);

// Called once for each number of rows, outside of a capture.
cudaError_t prepare_decode(const DecodeModel& model, int32_t rows);

// Queues a step. Nothing is allocated, nothing waits.
cudaError_t queue_decode(const DecodeModel& model, const DecodeDevice& device, const DecodeMemory& memory, int32_t rows,
                         cudaStream_t queue);

} // namespace steer::cuda
