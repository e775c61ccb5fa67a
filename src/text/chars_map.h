// The compiled normalisation rules of a sentencepiece model: texts and what each becomes.
// Layout: the size of a trie in bytes (32-bit), the trie, then replacements that end in a zero byte each. The trie is a
// double array of darts-clone (https://github.com/s-yata/darts-clone): a unit (32-bit) has the label of the byte that leads
// to it, the distance to where its children begin, and whether a replacement belongs to it, which is then the first child.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace steer {

class CharsMap {
  public:
    CharsMap() = default; // no rules
    // STEER_ERR_FORMAT where a rule leads outside. name: for error messages.
    CharsMap(std::string_view blob, const std::string& name);

    struct Match {
        size_t size = 0; // 0: none
        std::string_view replacement;
    };
    Match longest(std::string_view text) const; // the rule for the longest beginning of text
    bool empty() const { return trie_.empty(); }

  private:
    class Unit;
    class Walk;

    Unit unit(uint32_t index) const;

    std::string trie_, replacements_;
};

} // namespace steer
