#include "text/constraint/code_points.h"

#include <algorithm>

namespace steer::constraint {

CodeSet::CodeSet(std::initializer_list<CodeRange> ranges) {
    for (const CodeRange& range : ranges) add(range.first, range.last);
}

void CodeSet::add(uint32_t first, uint32_t last) {
    const auto begin = std::find_if(ranges_.begin(), ranges_.end(),
                                    [&](const CodeRange& range) { return uint64_t{range.last} + 1 >= first; });
    auto end = begin;
    for (; end != ranges_.end() && end->first <= uint64_t{last} + 1; ++end) {
        first = std::min(first, end->first);
        last = std::max(last, end->last);
    }
    ranges_.insert(ranges_.erase(begin, end), {first, last});
}

void CodeSet::add(const CodeSet& other) {
    for (const CodeRange& range : other.ranges_) add(range.first, range.last);
}

CodeSet CodeSet::complement() const {
    CodeSet taken = *this, out;
    taken.add(0xD800, 0xDFFF);
    uint32_t next = 0;
    for (const CodeRange& range : taken.ranges_) {
        if (range.first > next) out.add(next, range.first - 1);
        next = range.last + 1;
    }
    if (next <= kLastCodePoint) out.add(next, kLastCodePoint);
    return out;
}

bool CodeSet::contains(uint32_t code) const {
    const auto behind =
        std::partition_point(ranges_.begin(), ranges_.end(), [&](const CodeRange& range) { return range.last < code; });
    return behind != ranges_.end() && behind->first <= code;
}

} // namespace steer::constraint
