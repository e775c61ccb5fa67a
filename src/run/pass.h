// One pass of several conversations through the backend.
#pragma once

#include "model/backend.h"
#include "run/cache.h"
#include "steer/steer.h"

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace steer {

// What one conversation wants of a pass, and what it gets. Spans belong to the conversation and live until the pass is done.
struct PassRow {
    std::span<const int32_t> ids;           // the new tokens, at least one
    int32_t begin = 0;                      // position of the first
    std::span<const uint8_t> chooses_reply; // [ids]
    BlockTable* blocks = nullptr;
    const RowPlan* plan = nullptr;
    std::span<const float> strengths;
    const Gating* gating = nullptr;
    uint64_t gate_bits = 0;                 // after the position before begin
    std::span<const int32_t> targets;       // tokens after the last of ids whose log-probabilities are wanted
    int32_t top_count = 0;                  // likeliest tokens with each of them
    int32_t vocab_size = 0;                 // of the real tokens
    const Draw* draw = nullptr;             // a token is drawn after the last; its logit rows are filled in by the pass
    BlockTable* twin_blocks = nullptr;      // the same tokens once more, pushed by nothing, with a cache of their own
    const RowPlan* twin_plan = nullptr;     // its probes
    const Observer* observer = nullptr;     // called on this thread
    const std::atomic<bool>* cancelled = nullptr;

    steer_status status = STEER_OK;
    std::string message;
    bool left = false;  // cancelled within the pass: nothing was computed
    bool finite = true; // false: a logit is NaN, or nothing was left to draw from
    Drawn drawn;
    std::vector<Score> scores;
    std::vector<float> readings, twin_readings;
    std::vector<uint64_t> gates_after; // [ids] gate bits; empty: no gates

    int32_t end() const { return begin + static_cast<int32_t>(ids.size()); }
};

// Computes all rows together; where that fails, each alone, so that a row's failure is its own. Never throws.
void run_pass(Backend& backend, std::span<PassRow* const> rows) noexcept;

} // namespace steer
