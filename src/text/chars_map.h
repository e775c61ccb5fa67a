// The compiled normalisation rules of a sentencepiece model. The library follows them without looking where its bounds are,
// so they are walked through once, here.
#pragma once

#include <string>
#include <string_view>

namespace steer {

// STEER_ERR_FORMAT where some text would lead the library outside of the rules, or out of the room it has for matches.
// Layout: the size of a trie in bytes (32-bit), the trie, then replacements that end in a zero byte each. The trie is a
// double array of darts-clone: a unit (32-bit) has the label of the byte that leads to it, the distance to where its
// children begin, and whether a replacement belongs to it.
void check_chars_map(std::string_view blob, const std::string& name);

} // namespace steer
