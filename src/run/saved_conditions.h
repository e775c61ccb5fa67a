// What the conditions said, as a part of a saved conversation. Controls are not saved: a comparator is known again by what it
// compares and for whom, so its states go to the session's own that is like it, and are forgotten where there is none.
#pragma once

#include "run/controls.h"

#include <string>
#include <string_view>

namespace steer {

// Little endian: comparators u32, rules u32, gates u32; of each comparator: key u64, kind u32 (1: a gate), bit u32, since
// i32, 0 u32; rules u64[], gates u64[]. Empty where no condition was ever looked at.
std::string save_conditions(const ConditionHistory& history, const ControlsView& controls);

// Empty bytes: nothing is known. False: these are not of a conversation of `tokens` tokens.
bool load_conditions(std::string_view bytes, uint32_t tokens, uint32_t computed, const ControlsView& controls,
                     ConditionHistory& out);

} // namespace steer
