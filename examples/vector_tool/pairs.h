// Contrast pairs from a file of JSON lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vector_tool {

struct Pair { // what the persona says, and what a neutral voice says in its place
    std::string group, prompt;
    std::string system_positive, system_negative; // the same, or what makes the difference
    std::string positive, negative;               // replies
    uint64_t group_id = 0; // the same for equal groups, from 1 on
};

// One object a line: "prompt", "positive", "negative"; "group" (balanced, and held out as a whole; default: the line alone)
// and "system" may be given. by_system: "system_positive" and "system_negative" make the difference, and replies may be left
// out where none are pooled. Lines with a "split" other than the asked one are left out; empty: all are taken.
std::vector<Pair> read_pairs(const std::string& path, const std::string& split, bool by_system);

} // namespace vector_tool
