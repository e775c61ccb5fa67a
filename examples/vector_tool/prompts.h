// What a user says: prompts from a file.
#pragma once

#include <string>
#include <vector>

namespace vector_tool {

// One prompt a line: the line itself, or, where it begins with {, the "prompt" of a JSON object. Empty lines are left out.
std::vector<std::string> read_prompts(const std::string& path); // throws std::runtime_error in words

} // namespace vector_tool
