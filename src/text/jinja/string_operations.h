// What Python's str methods do, with origins. Shared by filters and methods.
#pragma once

#include "text/jinja/runtime.h"

#include <optional>
#include <vector>

namespace steer::jinja {

enum class Side { Left, Right, Both };
enum class Case { Upper, Lower, Capitalize };

Text strip(Runtime& run, const Text& text, const Text* characters, Side side); // characters null: white space
Text change_case(Runtime& run, const Text& text, Case wanted);
std::vector<Value> split(Runtime& run, const Text& text, const Text* separator,
                         int64_t max); // null: runs of white space; max -1: all
std::vector<Value> split_lines(Runtime& run, const Text& text);
Text replace(Runtime& run, const Text& text, const Text& old_part, const Text& new_part, int64_t max);
Text join(Runtime& run, const Text& separator, const std::vector<Value>& items,
          bool convert); // convert: str() of what is no text
std::optional<size_t> find_text(Runtime& run, const Text& text, const Text& part, size_t from);

} // namespace steer::jinja
