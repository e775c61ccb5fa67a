// What happens at a site of the residual stream, on the CPU: gauges before, the row's pushes, gauges after.
// Formulas: docs/architecture.md, "At a site". Float32 inside, rounded once to the stream's own type.
#pragma once

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
    float* pushed;               // [H]: D, the push so far at the row's last token; NULL unless the plan reads own
};

class SiteKernel {
  public:
    SiteKernel(int32_t hidden_size, StreamType type);

    // stream [T, H], chooses_reply [T]
    void visit(int32_t site, void* stream, std::span<const uint8_t> chooses_reply, std::span<const SiteRow> rows);

  private:
    void visit_token(int32_t site, void* token, bool chooses_reply, bool last, const SiteRow& row);
    bool gather(std::span<const Push> pushes, PushKind kind, const SiteRow& row, bool chooses_reply);
    void read(std::span<const Probe> probes, Tap tap, const SiteRow& row, const Probe* first);

    int32_t hidden_size_;
    StreamType type_;
    std::vector<float> x_, before_, sum_; // [H] each: the token's state, as it was, what is pushed
};

} // namespace steer
