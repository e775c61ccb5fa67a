// How a token is drawn from a row of logits: settings in, one token out. Plain memory that crosses the backend's door.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace steer {

struct LogitBias {
    int32_t token;
    float bias; // -INFINITY forbids
};

struct SamplingSettings {
    float temperature = 1.0f; // 0: greedy
    float top_p = 1.0f, min_p = 0.0f, typical_p = 1.0f;
    int32_t top_k = 0; // 0: all
    float repeat_penalty = 1.0f, presence_penalty = 0.0f, frequency_penalty = 0.0f;
    int32_t penalty_window = -1; // tokens looked back; -1: all
    int32_t top_log_probs = 0;
    std::vector<LogitBias> biases;
    float kl_budget = std::numeric_limits<float>::infinity();
};

struct Candidate {
    int32_t token;
    float log_prob;
};

struct Draw {
    int32_t logit_row;                   // index into Batch::logit_rows
    const SamplingSettings* settings;    // never NULL
    uint64_t seed;
    int32_t position;                    // that the drawn token will stand at: with the seed it fixes the noise
    int32_t vocab_size;                  // ids from here on are padding and never drawn
    std::span<const int32_t> tokens;     // the list so far, for penalties
    int32_t reply_begin;                 // presence and frequency look from here on
    std::span<const uint32_t> allowed;   // a bit per id; empty: all are
    int32_t twin_logit_row = -1;         // of the same position without steering; -1: there is none, and no KL budget
};

struct Drawn {
    int32_t token = -1;
    bool finite = true; // false: a logit is NaN or all are masked; token is -1
    float log_prob = 0.0f, entropy = 0.0f; // of the raw logits within the KL budget, natural logarithm
    float kl = std::numeric_limits<float>::quiet_NaN();            // of the same from the twin's; NaN: there is no twin
    float kl_share = std::numeric_limits<float>::quiet_NaN();      // how much of the way the budget let through
    float twin_log_prob = std::numeric_limits<float>::quiet_NaN(); // of the token
    std::vector<Candidate> top;            // settings->top_log_probs of them, best first
};

} // namespace steer
