#include "text/constraint/pattern.h"

#include "files/error.h"
#include "files/quote.h"
#include "files/utf8.h"
#include "text/char_table.h"

#include <optional>

namespace steer::constraint {
namespace {

constexpr uint32_t kDepth = 32, kRepeatMax = 1000;

struct Class { // what all dialects agree is in it, and what at least one says is
    CodeSet surely, maybe;
    void add(const Class& other) {
        surely.add(other.surely);
        maybe.add(other.maybe);
    }
    Class opposite() const { return {maybe.complement(), surely.complement()}; }
};

Class exactly(const CodeSet& set) { return {set, set}; }

Class at_least(CodeSet surely, const CodeSet& more) {
    CodeSet maybe = surely;
    maybe.add(more);
    return {std::move(surely), std::move(maybe)};
}

CodeSet numbers() {
    const CharTable& table = CharTable::get();
    CodeSet all;
    for (uint32_t first = 0x80; first <= kLastCodePoint; first++) {
        if (table.char_class(first) != CharClass::Number) continue;
        uint32_t last = first;
        while (last < kLastCodePoint && table.char_class(last + 1) == CharClass::Number) last++;
        all.add(first, last);
        first = last;
    }
    return all;
}

// Beyond those that all dialects have.
CodeSet spaces() {
    CodeSet all{{0x1C, 0x1F}, {0x2000, 0x200B}, {0x2028, 0x2029}};
    for (const uint32_t code : {0x85, 0xA0, 0x1680, 0x180E, 0x202F, 0x205F, 0x3000, 0xFEFF}) all.add(code, code);
    return all;
}

class Parser {
  public:
    Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

    RegexPtr parse() {
        RegexPtr all = alternatives(0);
        if (!done()) broken("a ) that nothing opens");
        return all;
    }

  private:
    [[noreturn]] void broken(const char* why) const {
        fail(STEER_ERR_FORMAT, "constraint_text: {}/pattern: {} at byte {} of {}", where_, why, at_, quote(text_, 80));
    }
    [[noreturn]] void unknown(const char* what) const {
        fail(STEER_ERR_UNSUPPORTED, "constraint_text: {}/pattern: {} at byte {} of {} is not known here", where_, what,
             at_, quote(text_, 80));
    }

    bool done() const { return at_ == text_.size(); }
    bool next_is(std::string_view what) const { return text_.substr(at_).starts_with(what); }
    bool take(std::string_view what) {
        if (!next_is(what)) return false;
        at_ += what.size();
        return true;
    }
    uint32_t take_character() { // the text is well-formed: it came from JSON
        const char* at = text_.data() + at_;
        const uint32_t code = decode_valid_utf8(at);
        at_ = static_cast<size_t>(at - text_.data());
        return code;
    }

    std::optional<Class> shorthand(char letter) {
        switch (letter) {
        case 'd':
            if (numbers_.empty()) numbers_ = numbers(); // a look at every character: once
            return at_least({{'0', '9'}}, numbers_);
        case 'w': return at_least({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, {{0x80, kLastCodePoint}});
        case 's': return at_least({{'\t', '\r'}, {' ', ' '}}, spaces());
        case 'D': return shorthand('d')->opposite();
        case 'W': return shorthand('w')->opposite();
        case 'S': return shorthand('s')->opposite();
        default: return {};
        }
    }

    RegexPtr alternatives(uint32_t depth) {
        if (depth > kDepth) unknown("a group this deep");
        auto out = std::make_unique<Regex>();
        out->kind = Regex::alternatives;
        do out->parts.push_back(sequence(depth));
        while (take("|"));
        if (out->parts.size() == 1) return std::move(out->parts[0]);
        return out;
    }

    RegexPtr sequence(uint32_t depth) {
        auto out = std::make_unique<Regex>();
        while (!done() && !next_is("|") && !next_is(")")) out->parts.push_back(quantified(depth));
        return out;
    }

    RegexPtr quantified(uint32_t depth) {
        auto part = atom(depth);
        const bool repeatable = part->kind != Regex::begin && part->kind != Regex::end;
        uint32_t min = 0, max = 0;
        if (!take_quantifier(min, max)) return part;
        if (!repeatable) broken("a repetition of ^ or $");
        auto out = std::make_unique<Regex>();
        out->kind = Regex::repeat;
        out->min = min;
        out->max = max;
        out->parts.push_back(std::move(part));
        take("?"); // lazy: the same texts
        if (next_is("+")) unknown("a possessive repetition");
        if (next_is("*") || next_is("{")) broken("a repetition of a repetition");
        return out;
    }

    bool take_quantifier(uint32_t& min, uint32_t& max) {
        if (take("*")) return min = 0, max = UINT32_MAX, true;
        if (take("+")) return min = 1, max = UINT32_MAX, true;
        if (take("?")) return min = 0, max = 1, true;
        if (!take("{")) return false;
        min = max = number();
        if (take(",")) max = next_is("}") ? UINT32_MAX : number();
        if (!take("}")) broken("a { without its }");
        if (min > max) broken("a repetition with its bounds turned round");
        return true;
    }

    uint32_t number() {
        uint32_t value = 0;
        const size_t begin = at_;
        while (!done() && text_[at_] >= '0' && text_[at_] <= '9') {
            value = value * 10 + static_cast<uint32_t>(text_[at_++] - '0');
            if (value > kRepeatMax) unknown("a repetition of more than 1000");
        }
        if (at_ == begin) broken("a { that is no repetition (write \\{ for the sign)");
        return value;
    }

    static std::unique_ptr<Regex> of_kind(Regex::Kind kind) {
        auto out = std::make_unique<Regex>();
        out->kind = kind;
        return out;
    }
    static std::unique_ptr<Regex> of_set(CodeSet set) {
        auto out = of_kind(Regex::characters);
        out->set = std::move(set);
        return out;
    }

    RegexPtr atom(uint32_t depth) {
        if (take("^")) return of_kind(Regex::begin);
        if (take("$")) return of_kind(Regex::end);
        if (take(".")) return of_set(CodeSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement());
        if (next_is("(")) return group(depth);
        if (take("[")) return of_set(bracket());
        if (next_is("*") || next_is("+") || next_is("?") || next_is("{")) broken("a repetition of nothing");
        if (next_is("}") || next_is("]")) broken("a bracket that nothing opens (write a \\ before it for the sign)");
        if (take("\\")) return of_set(escape(false).surely);
        const uint32_t code = take_character();
        return of_set({{code, code}});
    }

    RegexPtr group(uint32_t depth) {
        take("(");
        if (next_is("?") && !next_is("?:")) unknown("a group with (?");
        take("?:");
        RegexPtr inside = alternatives(depth + 1);
        if (!take(")")) broken("a ( without its )");
        return inside;
    }

    // Behind a backslash.
    Class escape(bool in_class) {
        if (done()) broken("a \\ with nothing behind it");
        if (const auto known = shorthand(text_[at_])) return at_++, *known;
        const uint32_t code = escaped_character(in_class);
        return exactly({{code, code}});
    }

    uint32_t escaped_character(bool in_class) {
        const uint32_t letter = take_character();
        switch (letter) {
        case 't': return '\t';
        case 'n': return '\n';
        case 'v': return '\v';
        case 'f': return '\f';
        case 'r': return '\r';
        case 'x': return hex(2);
        case 'u': return hex(4);
        case 'b':
            if (in_class) return '\b';
            break;
        default: break;
        }
        const bool sign = letter < 0x80 && !(letter >= '0' && letter <= '9') && !(letter >= 'a' && letter <= 'z') &&
                          !(letter >= 'A' && letter <= 'Z') && letter != '_';
        if (!sign) unknown("the escape that ends");
        return letter;
    }

    uint32_t hex(int digits) {
        uint32_t code = 0;
        for (int i = 0; i < digits; i++) {
            const char digit = done() ? '\0' : text_[at_];
            const bool number = digit >= '0' && digit <= '9', letter = (digit | 32) >= 'a' && (digit | 32) <= 'f';
            if (!number && !letter) broken("an escape that is no hexadecimal number");
            code = code * 16 + static_cast<uint32_t>(number ? digit - '0' : (digit | 32) - 'a' + 10);
            at_++;
        }
        if (code >= 0xD800 && code <= 0xDFFF) unknown("half of a surrogate pair (write the character itself)");
        return code;
    }

    // Behind the [.
    CodeSet bracket() {
        const bool negated = take("^");
        Class all;
        while (!take("]")) {
            if (done()) broken("a [ without its ]");
            const std::optional<uint32_t> first = class_member(all);
            if (!first) continue; // a shorthand, which is in already
            uint32_t last = *first;
            if (next_is("-") && !next_is("-]")) {
                take("-");
                if (done()) broken("a [ without its ]");
                const std::optional<uint32_t> other = class_member(all);
                if (!other || *other < *first) broken("a range that is none");
                last = *other;
            }
            all.add(exactly({{*first, last}}));
        }
        return negated ? all.opposite().surely : all.surely;
    }

    // A character that may begin a range; nothing where a shorthand was added.
    std::optional<uint32_t> class_member(Class& all) {
        if (!take("\\")) return take_character();
        if (done()) broken("a \\ with nothing behind it");
        if (const auto known = shorthand(text_[at_])) {
            at_++;
            all.add(*known);
            return {};
        }
        return escaped_character(true);
    }

    std::string_view text_;
    const std::string& where_;
    size_t at_ = 0;
    CodeSet numbers_;
};

} // namespace

RegexPtr parse_pattern(std::string_view pattern, const std::string& where) { return Parser(pattern, where).parse(); }

} // namespace steer::constraint
