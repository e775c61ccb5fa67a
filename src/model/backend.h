// The one interface between a conversation and the arithmetic. run/ drives it; torch/ and fake/ implement it.
//
// Everything in it is plain memory. run/ does not know tensors, devices or graphs; a backend does not know sessions, text
// or options. A Batch is flat: all new tokens of all rows, one after the other, no padding, so that a prompt chunk, one
// token of a conversation and any mixture of them are the same thing.
#pragma once

#include "model/sampling.h"
#include "steer/plan.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace steer {

struct Package;

using BlockId = int32_t;
constexpr int32_t kBlockSize = 64; // positions of K and V in a cache block, of all layers

struct AdapterUse { // LoRA: its shape at this door; no backend has it yet
    const void* adapter;
    float scale;
};

// Shown a row's new states as they leave a site, after the operators and all taps; it may edit them.
struct Observer {
    std::vector<uint8_t> sites; // [layer count + 1]: 1 where it looks, site -1 first
    // hidden [rows, hidden size], of positions from position on; true: it was edited.
    std::function<bool(int32_t site, int32_t position, float* hidden, size_t rows)> look;
};

struct BatchRow {
    int32_t token_begin = 0, token_count = 0; // its new tokens in the flat arrays; at least one
    int32_t kv_len = 0;                       // positions in its cache when the pass is done
    std::span<const BlockId> blocks;          // ceil(kv_len / kBlockSize) of them
    const RowPlan* plan = nullptr;            // NULL: nothing is pushed or read
    std::span<const float> strengths;         // by Push::injection, raw; 0: off, bit for bit
    std::span<const AdapterUse> adapters;
    const Gating* gating = nullptr;           // NULL: no injection waits for a gate
    uint64_t gate_bits = 0;                   // after the token before
    const Observer* observer = nullptr;
};

struct LogitRow { // a token whose logits are wanted
    int32_t token = 0;      // index into Batch::ids
    int32_t target = -1;    // its log-probability is wanted; -1: of none
    int32_t top_count = 0;  // likeliest tokens wanted
    int32_t vocab_size = 0; // ids from here on are padding and have no share; 0: all are real
};

struct Capture { // states of tokens, summed or each for itself: for extraction and calibration
    int32_t site_begin = 0, site_end = 0;
    Tap tap = Tap::before;
    std::span<const int32_t> tokens; // indices into Batch::ids
    float* sums = nullptr;           // [site_end - site_begin, hidden size]; each: [tokens, sites, hidden size]; added to
    bool each = false;
};

struct Batch {
    std::span<const int32_t> ids, positions;  // [T]
    std::span<const uint8_t> chooses_reply;   // [T] 1: the token that this position chooses is an assistant's
    std::span<const BatchRow> rows;           // [R]
    std::span<const LogitRow> logit_rows;
    std::span<const Draw> draws;
    std::span<const Capture> captures;
    float* logits = nullptr;                  // not NULL: [logit_rows, vocab size] is written too
    std::span<const std::atomic<bool>* const> cancelled; // looked at between layers: all set, the pass is left; empty: never

    bool is_cancelled() const;
};

struct Score { // of one LogitRow
    float target_log_prob = 0.0f;
    bool finite = true;
    std::vector<Candidate> top;
};

struct Results {
    std::vector<Drawn> drawn;   // one for each draw
    std::vector<Score> scores;  // one for each logit row
    std::vector<float> readings; // of all probes, row after row
    std::vector<uint64_t> gate_bits; // [T] after each token; empty: no row has gates
    bool cancelled = false;     // the pass was left: nothing else here holds, the new positions are not in the cache
};

struct BackendMemory {
    uint64_t weight_bytes = 0;          // as they lie on the device
    uint64_t cache_bytes_per_token = 0;
    uint64_t used = 0, free = 0;        // now; device memory, or main memory on the CPU
};

struct BackendOptions {
    std::string device;       // "cpu", "cuda:0"; empty: choose
    int32_t dtype = 0;        // STEER_DTYPE_*
    int32_t weights = 0;      // STEER_WEIGHTS_*
    int32_t priority = 0;     // STEER_PRIORITY_*
    uint64_t memory_max = 0;  // 0: no limit
};

using Progress = std::function<bool(float fraction)>; // false: stop
using Ticket = uint64_t;

enum class Place { device, host }; // host: parked in main memory, no pass can run

// One model on one device. Calls come from one thread at a time (run/step_queue sees to that). Throws steer::Error only;
// after any but STEER_ERR_DEVICE_LOST it can be used again.
class Backend {
  public:
    virtual ~Backend() = default;

    // Reads the weights to where they are wanted and makes the modules.
    virtual void load(Place place, const Progress& progress) = 0;
    // Moves weights and cache. A move that fails or is stopped leaves all where it was.
    virtual void move(Place place, const Progress& progress) = 0;

    virtual BackendMemory memory() const = 0; // sizes are known before load
    virtual int32_t device() const = 0;       // CUDA index, -1: CPU
    virtual int32_t dtype() const = 0;        // STEER_DTYPE_* in use

    // Its own decoder as a TorchScript archive: code, no weights. Before load too.
    virtual std::string decoder_archive() const = 0;

    // Blocks 0 .. count-1 can be used from now on; those in use keep their contents. Never shrinks.
    virtual void reserve_blocks(int32_t count) = 0;
    virtual void copy_block(BlockId from, BlockId to) = 0;
    // A block as bytes, cache_bytes_per_token * kBlockSize of them, parked or not. Of what is read, positions from
    // position_count on are zero: they may be another conversation's. Blocks of equal formats can be exchanged.
    virtual void read_block(BlockId block, int32_t position_count, void* bytes) = 0;
    virtual void write_block(BlockId block, const void* bytes) = 0;
    virtual std::string cache_format() const = 0;

    // Starts a pass; its spans must live until wait. wait gives back what submit's ticket stands for, in order.
    virtual Ticket submit(const Batch& batch) = 0;
    virtual void wait(Ticket ticket, Results& results) = 0;
};

inline bool Batch::is_cancelled() const {
    for (const std::atomic<bool>* row : cancelled)
        if (!row->load(std::memory_order_relaxed)) return false;
    return !cancelled.empty();
}

// Opens a backend for a package: nothing is read yet. In libsteer this finds, checks and loads libsteer_torch from beside
// it; steer_fake has its own.
std::unique_ptr<Backend> open_backend(std::shared_ptr<const Package> package, const BackendOptions& options);

// What steer_threads_set asks for; -1 or 0 leaves a count as it is.
void set_backend_threads(int32_t intra_op, int32_t inter_op);

// Names of what can do the arithmetic, for steer_build_info.
std::string backend_build_info();

} // namespace steer
