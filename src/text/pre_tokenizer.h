// Qwen's pre-tokeniser: cuts text into the words that byte-level BPE then works on, one at a time.
#pragma once

#include "text/char_table.h"

#include <string_view>

namespace steer {

// The one pattern that is understood (Qwen2, Qwen2.5, Qwen3), as it stands in tokenizer.json.
inline constexpr std::string_view qwen_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// End of the word that begins at at (at < end, well-formed text): what the pattern matches there.
const char* qwen_word_end(const CharTable& table, const char* at, const char* end);

} // namespace steer
