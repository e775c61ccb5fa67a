#include "text/char_table.h"

#include <utf8proc.h>

namespace steer {
namespace {

constexpr auto nfc = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);

CharClass class_of(uint32_t code) {
    if (code == '\r' || code == '\n') return CharClass::Newline;
    if ((code >= 0x09 && code <= 0x0D) || code == 0x85) return CharClass::Space; // White_Space that is category Cc
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CharClass::Letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CharClass::Number;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return CharClass::Space;
    default:
        return CharClass::Other;
    }
}

} // namespace

const CharTable& CharTable::get() {
    static const CharTable table; // trivially destructible: nothing runs at exit
    return table;
}

CharTable::CharTable() {
    // Beyond these there are only unassigned, private and variation-selector characters: Other, and stable.
    add_range(0, 0x40000);
    for (uint32_t jamo = 0x1161; jamo <= 0x1175; ++jamo)
        bits_[jamo] |= 8; // Hangul vowels and finals join what is before
    for (uint32_t jamo = 0x11A8; jamo <= 0x11C2; ++jamo) bits_[jamo] |= 8;
}

void CharTable::add_range(uint32_t begin, uint32_t end) {
    for (uint32_t code = begin; code < end; ++code) {
        auto signed_code = static_cast<utf8proc_int32_t>(code);
        const utf8proc_property_t& property = *utf8proc_get_property(signed_code);
        bits_[code] |= static_cast<uint8_t>(class_of(code));
        if (property.combining_class != 0) bits_[code] |= 8;
        if (property.decomp_seqindex == UINT16_MAX || property.decomp_type != 0) continue; // no canonical decomposition
        utf8proc_int32_t parts[8];
        int boundclass = 0;
        auto count = utf8proc_decompose_char(signed_code, parts, 8, nfc, &boundclass);
        if (count < 1 || count > 8) continue;
        // A character that does not come back when its parts are composed is changed by NFC ...
        utf8proc_int32_t joined[8];
        for (int i = 0; i < count; ++i) joined[i] = parts[i];
        auto joined_count = utf8proc_normalize_utf32(joined, count, nfc);
        if (joined_count != 1 || joined[0] != signed_code) bits_[code] |= 8;
        // ... and every part but the first may join with what stands before it.
        for (int i = 1; i < count; ++i) bits_[parts[i]] |= 8;
    }
}

} // namespace steer
