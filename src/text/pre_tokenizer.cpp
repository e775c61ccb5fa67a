#include "text/pre_tokenizer.h"

#include "files/utf8.h"

namespace steer {
namespace {

CharClass next_class(const CharTable& table, const char*& at) { return table.char_class(decode_valid_utf8(at)); }

const char* skip_class(const CharTable& table, const char* at, const char* end, CharClass wanted) {
    while (at < end) {
        const char* next = at;
        if (next_class(table, next) != wanted) break;
        at = next;
    }
    return at;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d); nullptr: no match. Without case, s is also U+017F, the long s.
const char* contraction_end(const char* at, const char* end) {
    std::string_view rest(at, static_cast<size_t>(end - at));
    auto lower = [&](size_t i) { return i < rest.size() ? rest[i] | 0x20 : 0; };
    switch (lower(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
        return at + 2;
    case 'r':
    case 'v':
        return lower(2) == 'e' ? at + 3 : nullptr;
    case 'l':
        return lower(2) == 'l' ? at + 3 : nullptr;
    default:
        return rest.substr(1, 2) == "\xC5\xBF" ? at + 3 : nullptr;
    }
}

// \s*[\r\n]+|\s+(?!\S)|\s+
const char* space_end(const CharTable& table, const char* begin, const char* end) {
    const char *at = begin, *last = begin, *newline = nullptr;
    while (at < end) {
        const char* next = at;
        CharClass c = next_class(table, next);
        if (c != CharClass::Space && c != CharClass::Newline) break;
        last = at;
        at = next;
        if (c == CharClass::Newline) newline = next;
    }
    if (newline) return newline;               // up to the last newline of the run
    if (at == end || last == begin) return at; // all of it, or a single space
    return last;                               // the last space is left to the word after it
}

} // namespace

const char* qwen_word_end(const CharTable& table, const char* begin, const char* end) {
    if (*begin == '\'') {
        if (const char* at = contraction_end(begin, end)) return at;
    }
    const char* second = begin;
    CharClass first = next_class(table, second);
    if (first == CharClass::Letter) return skip_class(table, second, end, CharClass::Letter);
    if (first == CharClass::Number) return second;
    if (first == CharClass::Newline) return space_end(table, begin, end);

    // A space or another character: it goes with the letters, or other characters, that follow.
    CharClass after = CharClass::Newline;
    if (second < end) {
        const char* third = second;
        after = next_class(table, third);
        if (after == CharClass::Letter) return skip_class(table, third, end, CharClass::Letter);
    }
    if (first == CharClass::Space && !(*begin == ' ' && after == CharClass::Other)) return space_end(table, begin, end);
    const char* at = skip_class(table, second, end, CharClass::Other);
    return skip_class(table, at, end, CharClass::Newline);
}

} // namespace steer
