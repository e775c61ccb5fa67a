// States of the residual stream over given texts, token by token, with or without a push: the teacher-forced half of a
// calibration.
#pragma once

#include "run/extraction.h"
#include "steer/plan.h"

#include <functional>
#include <span>
#include <vector>

namespace steer {

struct ForcedText {
    EncodedPassage passage;
    Positions choosing; // whose states chose a token of a reply
};

struct SiteRange {
    int32_t begin = 0, end = 0; // half open
    size_t count() const { return static_cast<size_t>(end - begin); }
};

// visit is given states [n][sites][hidden size] of the next n of choosing, after the operators of their site; valid inside the
// call. A long text comes in several pieces, in order. plan nullptr: nothing is pushed.
using StateVisitor = std::function<void(std::span<const float> states)>;
void visit_states(Model& model, const ForcedText& text, SiteRange sites, const RowPlan* plan, std::span<const float> strengths,
                  const StateVisitor& visit);

} // namespace steer
