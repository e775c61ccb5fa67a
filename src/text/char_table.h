// What the tokenizer and the templates ask of a character: its class, and whether normalising needs a closer look at
// it.
#pragma once

#include <cstdint>

namespace steer {

enum class CharClass : uint8_t { Other = 0, Letter = 1, Number = 2, Space = 3, Newline = 4 }; // Newline: CR and LF

class CharTable {
  public:
    static const CharTable& get(); // built once, from utf8proc's data (Unicode 15); never destroyed

    CharClass char_class(uint32_t code) const { return static_cast<CharClass>(bits_[code] & 7); }
    // May change, or change with its neighbours, under NFC: not (NFC_Quick_Check = Yes and combining class 0).
    bool normalises(uint32_t code) const { return (bits_[code] & 8) != 0; }

  private:
    CharTable();
    void add_range(uint32_t begin, uint32_t end);

    uint8_t bits_[0x110000] = {};
};

} // namespace steer
