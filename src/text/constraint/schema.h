// JSON Schema to a grammar. Known, as of draft 2020-12:
//   type (one or a list), nullable, enum, const, anyOf, oneOf of alternatives that exclude each other, allOf of one,
//   $ref within the document (#/$defs/..., #/definitions/..., any pointer), also into what it stands in
//   properties, required, additionalProperties, minProperties and maxProperties where no properties are declared
//   items, prefixItems, minItems, maxItems
//   minLength, maxLength, pattern (pattern.h), format: date time date-time uuid email ipv4
//   minimum, maximum, exclusiveMinimum, exclusiveMaximum
// title, description, default, examples and the like say nothing about the text and are passed over. Any other keyword
// is STEER_ERR_UNSUPPORTED with its pointer; what is malformed, or allows nothing, is STEER_ERR_FORMAT with its
// pointer.
//
// What is written is a part of what a schema allows: properties come in declared order, others behind them and only
// where additionalProperties says so or no properties are declared; a name comes once; white space and digits are
// bounded (json_rules.h); nothing is nested deeper than 64.
#pragma once

#include "text/constraint/grammar.h"

#include <string_view>

namespace steer::constraint {

Grammar compile_json_schema(std::string_view text);

} // namespace steer::constraint
