// What happens at a site of the residual stream, on the CPU: gauges before, the row's pushes, gauges after.
// Formulas: docs/architecture.md, "At a site". Float32 inside, rounded once to the stream's own type.
#pragma once

#include "kernels/interval.h"
#include "steer/plan.h"

#include <cstdint>
#include <span>
#include <vector>

namespace steer {

enum class StreamType { f32, f16, bf16 };

struct SiteRow { // one conversation's part of a pass
    const RowPlan* plan;         // NULL: nothing to do
    std::span<const float> strengths;
    int32_t token_begin, token_count;
    float* readings;             // [probes of the plan]
    float* pushed;               // [H]: D, the push so far at the row's last token; [token_count, H] where gates read own;
                                 // NULL unless the plan reads own
    const Gating* gating = nullptr;
    uint64_t gate_bits = 0;      // after the token before
    uint64_t* bits = nullptr;    // [token_count]: after each token, as far as its gates have been visited; NULL without gates
};

class SiteKernel {
  public:
    SiteKernel(int32_t hidden_size, StreamType type);

    // stream [T, H], chooses_reply [T]
    void visit(int32_t site, void* stream, std::span<const uint8_t> chooses_reply, std::span<const SiteRow> rows);

  private:
    struct Token { // the one that is being visited
        const SiteRow& row;
        int32_t index;      // in the row
        bool chooses_reply;
        bool last;          // of the row
        bool acts(const Push& push) const;
        float* pushed(int32_t hidden_size) const; // NULL: nobody asks for D here
    };

    void visit_token(int32_t site, void* state, const Token& token);
    bool gather(std::span<const Push> pushes, PushKind kind, const Token& token);
    bool hold_intervals(int32_t site, const Token& token);
    void read(int32_t site, Tap tap, const Token& token);
    float reading(const Probe& probe, const float* pushed) const;

    int32_t hidden_size_;
    StreamType type_;
    std::vector<float> x_, before_, sum_; // [H] each: the token's state, as it was, what is pushed
    std::vector<SiteInterval> intervals_; // those that act on the token, and the memory to solve them in
    std::vector<double> solving_;
    std::vector<int32_t> order_;
};

} // namespace steer
