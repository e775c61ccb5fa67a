#include "text/constraint/number_range.h"

#include "files/error.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

namespace steer::constraint {
namespace {

constexpr size_t kPoint = kIntegerDigits, kDigits = kIntegerDigits + kFractionDigits;
constexpr size_t kDoubleDigits = 15; // decimals of so many digits are different doubles

using Digits = std::array<uint8_t, kDigits>; // before the point, and behind it

struct Decimal {
    Digits digits{};
    bool negative = false;
    bool cut = false;    // there were digits behind the last
    bool beyond = false; // too large for the digits

    bool zero() const {
        return std::all_of(digits.begin(), digits.end(), [](uint8_t digit) { return digit == 0; });
    }
    Decimal operator-() const {
        Decimal out = *this;
        out.negative = !negative;
        return out;
    }
};

Decimal parse(std::string_view text) {
    Decimal out;
    if (text.starts_with('-')) out.negative = true, text.remove_prefix(1);
    int exponent = 0;
    if (const size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
        const char* begin = text.data() + e + 1;
        if (*begin == '+') begin++;
        std::from_chars(begin, text.data() + text.size(), exponent);
        text = text.substr(0, e);
    }
    const size_t point = std::min(text.find('.'), text.size());
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '.' || text[i] == '0') continue;
        const auto before_point = static_cast<int64_t>(point) - static_cast<int64_t>(i) - (i < point) + exponent;
        const int64_t place = static_cast<int64_t>(kPoint) - 1 - before_point;
        if (place < 0)
            out.beyond = true;
        else if (place >= static_cast<int64_t>(kDigits))
            out.cut = true;
        else
            out.digits[static_cast<size_t>(place)] = static_cast<uint8_t>(text[i] - '0');
    }
    return out;
}

size_t whole_digits(const Digits& digits) { // at least 1: "0"
    size_t first = 0;
    while (first + 1 < kPoint && digits[first] == 0) first++;
    return kPoint - first;
}

void raise_magnitude(Decimal& value, size_t place) {
    for (size_t i = place + 1; i-- > 0;) {
        if (value.digits[i] < 9) {
            value.digits[i]++;
            return;
        }
        value.digits[i] = 0;
    }
    value.beyond = true;
}

void lower_magnitude(Decimal& value, size_t place) { // not below 0
    const bool enough = std::any_of(value.digits.begin(), value.digits.begin() + static_cast<ptrdiff_t>(place) + 1,
                                    [](uint8_t digit) { return digit != 0; });
    if (!enough) {
        value.digits.fill(0);
        return;
    }
    for (size_t i = place + 1; value.digits[--i]-- == 0;) value.digits[i] = 9;
}

void raise(Decimal& value, size_t place) {
    if (value.zero()) value.negative = false;
    value.negative ? lower_magnitude(value, place) : raise_magnitude(value, place);
}

// The smallest value that a lower bound lets through.
Decimal smallest(Decimal bound, bool exclusive, bool integers) {
    const size_t place = integers ? kPoint - 1 : kPoint - 1 + kDoubleDigits - whole_digits(bound.digits);
    if (integers) {
        const auto fraction = bound.digits.begin() + kPoint;
        const bool part =
            bound.cut || std::any_of(fraction, bound.digits.end(), [](uint8_t digit) { return digit != 0; });
        std::fill(fraction, bound.digits.end(), uint8_t{0});
        if (part ? !bound.negative : exclusive) raise(bound, place);
        return bound; // of -1.5 the next is -1: cutting was enough
    }
    if (exclusive)
        raise(bound, place);
    else if (bound.cut && !bound.negative)
        raise(bound, kDigits - 1);
    return bound;
}

// The automaton of the magnitudes from low to high.
class Magnitudes {
  public:
    Magnitudes(GrammarBuilder& builder, const Digits& low, const Digits& high, bool integers, NodeId to)
        : builder_(builder),
          rule_(builder.grammar().node(to).rule),
          low_(low),
          high_(high),
          integers_(integers),
          to_(to) {}

    void add(NodeId from) {
        if (low_ > high_) return;
        const size_t shortest = whole_digits(low_), longest = whole_digits(high_);
        lead(from, shortest, true, shortest == longest);
        if (shortest == longest) return;
        lead(from, longest, false, true);
        if (shortest + 1 < longest) free_lengths(from, shortest + 1, longest - 1);
    }

  private:
    void lead(NodeId from, size_t length, bool at_low, bool at_high) {
        digit(from, kPoint - length, at_low, at_high, length > 1 ? 1 : 0);
    }

    // Lengths between that of the low and that of the high end: all their numbers.
    void free_lengths(NodeId from, size_t shortest, size_t longest) {
        NodeId at = builder_.add_node(rule_);
        builder_.edge(from, '1', '9', at);
        for (size_t length = 1;; length++) {
            if (length >= shortest) builder_.skip(at, node(kPoint, false, false));
            if (length == longest) return;
            const NodeId next = builder_.add_node(rule_);
            builder_.edge(at, '0', '9', next);
            at = next;
        }
    }

    // The digit at a place; at_low, at_high: all before were those of the low, the high end.
    void digit(NodeId from, size_t place, bool at_low, bool at_high, uint8_t least = 0) {
        const uint8_t first = std::max(least, at_low ? low_[place] : uint8_t{0}), last = at_high ? high_[place] : 9;
        for (uint8_t value = first; value <= last;) {
            const bool low_end = at_low && value == low_[place], high_end = at_high && value == high_[place];
            uint8_t end = value; // of those that need the same
            if (!low_end && !high_end) end = at_high ? static_cast<uint8_t>(last - 1) : last;
            builder_.edge(from, static_cast<uint8_t>('0' + value), static_cast<uint8_t>('0' + end),
                          node(place + 1, low_end, high_end));
            value = static_cast<uint8_t>(end + 1);
        }
    }

    NodeId node(size_t place, bool at_low, bool at_high) {
        const auto [found, fresh] = nodes_.try_emplace({place, at_low, at_high}, 0);
        if (!fresh) return found->second;
        const NodeId made = found->second = builder_.add_node(rule_);
        if (place < kPoint) return digit(made, place, at_low, at_high), made;
        const bool enough = !at_low || std::all_of(low_.begin() + static_cast<ptrdiff_t>(place), low_.end(),
                                                   [](uint8_t value) { return value == 0; });
        if (enough) builder_.skip(made, to_);
        if (integers_ || place == kDigits) return made;
        NodeId from = made;
        if (place == kPoint) builder_.edge(made, '.', from = builder_.add_node(rule_));
        digit(from, place, at_low, at_high);
        return made;
    }

    GrammarBuilder& builder_;
    RuleId rule_;
    const Digits &low_, &high_;
    bool integers_;
    NodeId to_;
    std::map<std::tuple<size_t, bool, bool>, NodeId> nodes_;
};

} // namespace

void add_number_range(GrammarBuilder& builder, NodeId from, const NumberRange& range, bool integers, NodeId to) {
    Decimal most; // with all its digits
    std::fill_n(most.digits.begin(), integers ? kPoint : kDigits, uint8_t{9});
    const auto limit = [&](const std::optional<NumberBound>& bound, bool upper) { // as a lower bound
        if (!bound) return -most;
        const Decimal given = parse(bound->text);
        const Decimal found = smallest(upper ? -given : given, bound->exclusive, integers);
        if (found.beyond && !found.negative)
            fail(STEER_ERR_UNSUPPORTED, "constraint_text: {}: {} is beyond the {} digits that numbers have here",
                 bound->where, bound->text, kIntegerDigits);
        return found.beyond ? -most : found;
    };
    const Decimal low = limit(range.min, false), high = -limit(range.max, true);
    const Digits zero{};
    if (!high.negative || high.zero())
        Magnitudes(builder, low.negative ? zero : low.digits, high.digits, integers, to).add(from);
    if (!low.negative || low.zero()) return;
    Decimal tiniest; // -0 is left out
    tiniest.digits[integers ? kPoint - 1 : kDigits - 1] = 1;
    const NodeId minus = builder.add_node(builder.grammar().node(from).rule);
    builder.edge(from, '-', minus);
    Magnitudes(builder, high.negative && !high.zero() ? high.digits : tiniest.digits, low.digits, integers, to)
        .add(minus);
}

} // namespace steer::constraint
