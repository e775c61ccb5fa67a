// How many columns text takes on a terminal. wcwidth() is no help: it follows the process locale, which may be C.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace chat {

// The character at `at`, which moves behind it; each byte that is not UTF-8 counts as one U+FFFD.
char32_t next_character(std::string_view text, std::size_t& at);

// 0, 1 or 2 columns. Emoji joined by U+200D count each, as terminals without grapheme clusters draw them.
int character_width(char32_t c);
int text_width(std::string_view text);

// The longest start of text, in whole characters, that takes at most `columns`.
std::string_view fit(std::string_view text, int columns);

// Text of a model or a file, made safe to print: controls but \n and \t become U+FFFD, broken UTF-8 too; tab: 4 blanks.
std::string printable(std::string_view text);

// The same text with each byte that is not UTF-8 replaced by U+FFFD; all else stays.
std::string valid_text(std::string_view text);

} // namespace chat
