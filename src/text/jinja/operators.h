// Python's operators on values.
#pragma once

#include "text/jinja/runtime.h"

#include <string>
#include <string_view>
#include <vector>

namespace steer::jinja {

bool equals(Runtime& run, const Value& a, const Value& b);
bool compare(Runtime& run, std::string_view symbol, const Value& a, const Value& b); // ==, !=, <, <=, >, >=, in, not in
Value arithmetic(Runtime& run, std::string_view symbol, const Value& a, const Value& b);
const Value* find_key(Runtime& run, const Dict& dict, std::string_view key); // nullptr: not there
Value negate(Runtime& run, const Value& value);

Value get_attribute(Runtime& run, const Value& object, const std::string& name); // object.name
Value get_item(Runtime& run, const Value& object, const Value& key);             // object[key]
Value get_slice(Runtime& run, const Value& object, const Value* begin, const Value* end, const Value* step);

std::vector<Value> iterate(Runtime& run, const Value& value); // what a for loop sees

} // namespace steer::jinja
