// Sets of Unicode characters, as pattern classes name them.
#pragma once

#include <cstdint>
#include <vector>

namespace steer::constraint {

constexpr uint32_t kLastCodePoint = 0x10FFFF;

struct CodeRange {
    uint32_t first, last;
    bool operator==(const CodeRange&) const = default;
};

class CodeSet { // ranges in order, none touching the next
  public:
    CodeSet() = default;
    CodeSet(std::initializer_list<CodeRange> ranges);

    void add(uint32_t first, uint32_t last);
    void add(const CodeSet& other);
    CodeSet complement() const; // without surrogates
    bool empty() const { return ranges_.empty(); }
    bool contains(uint32_t code) const;
    const std::vector<CodeRange>& ranges() const { return ranges_; }

  private:
    std::vector<CodeRange> ranges_;
};

} // namespace steer::constraint
