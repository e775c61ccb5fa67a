// Numbers between bounds as automata over their digits.
#pragma once

#include "text/constraint/json_rules.h"

#include <optional>
#include <string>

namespace steer::constraint {

struct NumberBound {
    std::string text; // a JSON number
    bool exclusive = false;
    std::string where; // the keyword's pointer, for words
};

struct NumberRange {
    std::optional<NumberBound> min, max;
};

// Those of a range, without exponents; integers: without fractions too. Digits are bounded as in json_rules.h. Beside
// an exclusive bound the numbers that a double cannot tell from it are left out.
void add_number_range(GrammarBuilder& builder, NodeId from, const NumberRange& range, bool integers, NodeId to);

} // namespace steer::constraint
