// Values as text: Python's str and repr, and json.dumps(ensure_ascii=False) as transformers calls it.
#pragma once

#include "text/jinja/runtime.h"

#include <optional>

namespace steer::jinja {

void append_str(Runtime& run, const Value& value, Text& out);
Text to_str(Runtime& run, const Value& value);
Text to_json(Runtime& run, const Value& value, std::optional<int64_t> indent); // counts as message text
std::string format_double(double value);                                       // repr of a float

} // namespace steer::jinja
