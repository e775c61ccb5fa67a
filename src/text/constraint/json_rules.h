// The rules of JSON itself (RFC 8259). Every grammar begins with them, at the same ids, so that what was worked out for
// them is shared by all. A few choices keep a model from going on for ever: white space is nothing, one space, or a
// line break with at most 64 spaces or tabs; numbers have bounded digits, such that all fit into int64_t or a finite
// double.
#pragma once

#include "text/constraint/grammar_builder.h"

#include <string>
#include <string_view>

namespace steer::constraint {

constexpr uint32_t kIndentMax = 64, kIntegerDigits = 18, kFractionDigits = 17, kExponentDigits = 2;

struct JsonRules {
    Entry gap;          // white space, but some
    Entry text;         // any string
    Entry counted_text; // its limits are the caller's: characters
    Entry name;         // a key that is not declared: each has one spelling only
    Entry number, integer;
    Entry boolean, null;
    Entry value, object, array; // any
};

JsonRules add_json_rules(GrammarBuilder& builder); // to be called first
Grammar json_grammar();                            // these rules alone; its root is any value

// White space or none.
void add_gap(GrammarBuilder& builder, const JsonRules& rules, NodeId from, NodeId to);

std::string spell_string(std::string_view text); // in quotes, escapes only where there must be
std::string spell_inside(std::string_view text); // the same without the quotes

// One character of a string, from a code point range to the bytes that spell it in JSON; counts: with its first byte.
void add_characters(GrammarBuilder& builder, NodeId from, uint32_t first, uint32_t last, NodeId to,
                    bool counts = false);

} // namespace steer::constraint
