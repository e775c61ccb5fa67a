#include "text/scripts.h"

#include "files/utf8.h"

#include <utf8proc.h>

namespace steer {
namespace {

struct Range {
    uint32_t first, last;
    Script script;
};

// Unicode's blocks, neighbours of one script put together.
constexpr Range kRanges[] = {
    {0x0000, 0x024F, Script::latin},         {0x0370, 0x052F, Script::cyrillic_greek}, {0x0590, 0x08FF, Script::arabic_hebrew},
    {0x0900, 0x0EFF, Script::indic_thai},    {0x1100, 0x11FF, Script::hangul},         {0x1C80, 0x1C8F, Script::cyrillic_greek},
    {0x1E00, 0x1EFF, Script::latin},         {0x1F00, 0x1FFF, Script::cyrillic_greek}, {0x2E80, 0x2FDF, Script::han},
    {0x3005, 0x3007, Script::han},           {0x3040, 0x30FF, Script::kana},           {0x3130, 0x318F, Script::hangul},
    {0x31F0, 0x31FF, Script::kana},          {0x3400, 0x4DBF, Script::han},            {0x4E00, 0x9FFF, Script::han},
    {0xA960, 0xA97F, Script::hangul},        {0xAC00, 0xD7FF, Script::hangul},         {0xF900, 0xFAFF, Script::han},
    {0xFB1D, 0xFDFF, Script::arabic_hebrew}, {0xFE70, 0xFEFE, Script::arabic_hebrew},  {0xFF21, 0xFF5A, Script::latin},
    {0xFF66, 0xFF9F, Script::kana},          {0xFFA0, 0xFFDC, Script::hangul},         {0x1B000, 0x1B16F, Script::kana},
    {0x20000, 0x3FFFF, Script::han},
};

bool is_letter(uint32_t code_point) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

} // namespace

Script script_of(uint32_t code_point) {
    if (!is_letter(code_point)) return Script::common;
    if (code_point == 0x30FC || code_point == 0xFF70) return Script::common; // the long vowel mark, which chat writes everywhere
    for (const Range& range : kRanges)
        if (code_point >= range.first && code_point <= range.last) return range.script;
    return Script::other;
}

void count_scripts(std::string_view text, ScriptCount& count) {
    const char *at = text.data(), *end = at + text.size();
    while (at < end) {
        const Utf8Char c = decode_utf8(at, end);
        at += c.size;
        if (c.kind != Utf8Char::Good || c.code == 0xFFFD) count.broken++;
        else count.characters[static_cast<size_t>(script_of(c.code))]++;
    }
}

uint64_t ScriptCount::total() const {
    uint64_t sum = broken;
    for (const uint64_t one : characters) sum += one;
    return sum;
}

uint32_t ScriptCount::mask() const {
    uint32_t bits = 0;
    for (size_t i = 1; i < kScripts; i++) bits |= characters[i] > 0 ? 1u << i : 0u;
    return bits;
}

float ScriptCount::broken_share() const {
    return total() == 0 ? 0.0f : static_cast<float>(broken) / static_cast<float>(total());
}

float ScriptCount::share_within(const ScriptCount& known) const {
    if (total() == 0) return 1.0f;
    uint64_t within = characters[static_cast<size_t>(Script::common)];
    for (size_t i = 1; i < kScripts; i++)
        if (known.characters[i] > 0) within += characters[i];
    return static_cast<float>(within) / static_cast<float>(total());
}

ScriptCount& ScriptCount::operator+=(const ScriptCount& other) {
    for (size_t i = 0; i < kScripts; i++) characters[i] += other.characters[i];
    broken += other.broken;
    return *this;
}

} // namespace steer
