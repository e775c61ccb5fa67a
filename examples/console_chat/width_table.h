// Sorted tables of the characters that do not take exactly one column.
#pragma once

#include <span>

namespace chat {

struct CodeRange {
    char32_t first, last; // inclusive
};

std::span<const CodeRange> zero_width_table();
std::span<const CodeRange> wide_table();

} // namespace chat
