// Which scripts a text is written in, roughly: enough to see a reply wander off into another language.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace steer {

enum class Script : uint8_t { common, latin, cyrillic_greek, arabic_hebrew, indic_thai, hangul, kana, han, other };
constexpr size_t kScripts = 9;

struct ScriptCount {
    std::array<uint64_t, kScripts> characters{}; // common: digits, punctuation, spaces, symbols
    uint64_t broken = 0;                         // U+FFFD

    uint64_t total() const;
    uint32_t mask() const;                                    // a bit for each script that has letters here
    float broken_share() const;                               // 0 of an empty text
    float share_within(const ScriptCount& known) const;       // of the characters: common ones, and of scripts that known has
    ScriptCount& operator+=(const ScriptCount& other);
};

Script script_of(uint32_t code_point);
void count_scripts(std::string_view text, ScriptCount& count); // invalid UTF-8 counts as broken

} // namespace steer
