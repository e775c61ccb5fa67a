// States of the residual stream over given texts, token by token, with or without a push: the teacher-forced half of a
// calibration.
#pragma once

#include "run/model.h"
#include "steer/plan.h"

#include <functional>
#include <span>
#include <vector>

namespace steer {

struct ForcedText {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks;
    std::vector<int32_t> choosing; // positions whose states chose a token of a reply, ascending
};

struct SiteRange {
    int32_t begin = 0, end = 0; // half open
    size_t count() const { return static_cast<size_t>(end - begin); }
};

// visit(text, states): states [n][sites][hidden size] of the next n of choosing, after the operators of their site; valid
// inside the call. A long text comes in several pieces, in order.
// plan nullptr: nothing is pushed.
using StateVisitor = std::function<void(size_t text, std::span<const float> states)>;
void visit_states(Model& model, std::span<const ForcedText> texts, SiteRange sites, const RowPlan* plan,
                  std::span<const float> strengths, const StateVisitor& visit);

} // namespace steer
