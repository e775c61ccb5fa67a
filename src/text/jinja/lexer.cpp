#include "text/jinja/lexer.h"

#include "files/error.h"
#include "text/jinja/strings.h"
#include "files/utf8.h"

#include <algorithm>

namespace steer::jinja {
namespace {

constexpr size_t name_max = 256;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Line ends become \n; one at the very end is dropped (keep_trailing_newline is off).
std::string normalise_lines(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
        out += source[i] == '\r' ? '\n' : source[i];
    }
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

class Lexer {
  public:
    Lexer(std::string_view source, const std::string& name) : source_(normalise_lines(source)), name_(name) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) read_data();
        push(TokenKind::End, "");
        return std::move(tokens_);
    }

  private:
    [[noreturn]] void syntax(std::string_view what) const {
        fail(STEER_ERR_FORMAT, "{}: line {}: {}", name_, line_, what);
    }
    [[noreturn]] void unsupported(std::string_view what) const {
        fail(STEER_ERR_UNSUPPORTED, "{}: line {}: {} is not supported in chat templates", name_, line_, what);
    }

    void push(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }
    bool starts(std::string_view what) const { return std::string_view(source_).substr(at_, what.size()) == what; }
    void skip(size_t count) {
        line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                             source_.begin() + static_cast<std::ptrdiff_t>(at_ + count), '\n'));
        at_ += count;
    }
    void skip_space() { skip(leading_space(std::string_view(source_).substr(at_))); }

    size_t find_tag() const {
        for (size_t i = at_; i + 1 < source_.size(); ++i) {
            if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#'))
                return i;
        }
        return source_.size();
    }

    // Text up to the next tag, then the tag.
    void read_data() {
        size_t tag = find_tag();
        std::string_view text = std::string_view(source_).substr(at_, tag - at_);
        bool is_tag = tag < source_.size();
        char kind = is_tag ? source_[tag + 1] : '\0';
        char sign = is_tag && tag + 2 < source_.size() ? source_[tag + 2] : '\0';
        std::string_view kept = text;
        if (sign == '-') {
            kept = strip_right(text);
        } else if (is_tag && kind != '{' && sign != '+') {
            kept = without_indent(text);
        }
        if (!kept.empty()) push(TokenKind::Data, std::string(kept));
        skip(text.size());
        if (!is_tag) return;
        skip(2);
        if (sign == '-' || sign == '+') skip(1);
        if (kind == '#') return skip_comment();
        push(kind == '{' ? TokenKind::PrintBegin : TokenKind::BlockBegin, "");
        read_expression(kind == '{' ? '}' : '%');
    }

    // lstrip_blocks: nothing but space between the start of the line and the tag is dropped.
    std::string_view without_indent(std::string_view text) const {
        size_t line = text.rfind('\n');
        bool whole_line = line != std::string_view::npos || at_ == 0 || source_[at_ - 1] == '\n';
        line = line == std::string_view::npos ? 0 : line + 1;
        return whole_line && strip_right(text.substr(line)).empty() ? text.substr(0, line) : text;
    }

    void skip_comment() {
        size_t end = source_.find("#}", at_);
        if (end == std::string::npos) syntax("a comment is not closed");
        char sign = end > at_ ? source_[end - 1] : '\0';
        skip(end + 2 - at_);
        after_block(sign);
    }

    // trim_blocks: one newline after a block or comment goes.
    void after_block(char sign) {
        if (sign == '-') {
            skip_space();
        } else if (sign != '+' && starts("\n")) {
            skip(1);
        }
    }

    bool read_end(char closer) {
        std::string close = {closer, '}'};
        bool block = closer == '%';
        char sign = (starts("-" + close) || (block && starts("+" + close))) ? source_[at_] : '\0';
        if (sign == '\0' && !starts(close)) return false;
        push(block ? TokenKind::BlockEnd : TokenKind::PrintEnd, "");
        skip(sign == '\0' ? 2 : 3);
        if (block) {
            after_block(sign);
        } else if (sign == '-') {
            skip_space();
        }
        return true;
    }

    void read_expression(char closer) {
        std::string open; // brackets to close; inside them }} is no end
        for (;;) {
            skip_space();
            if (at_ >= source_.size()) syntax("a tag is not closed");
            if (open.empty() && read_end(closer)) return;
            char c = source_[at_];
            if (is_name_start(c)) {
                size_t end = at_;
                while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
                if (end - at_ > name_max) unsupported(fmt::format("a name of {} bytes", end - at_));
                push(TokenKind::Name, source_.substr(at_, end - at_));
                skip(end - at_);
            } else if (is_digit(c)) {
                read_number();
            } else if (c == '\'' || c == '"') {
                read_string(c);
            } else {
                read_operator(open);
            }
        }
    }

    void read_number() {
        size_t end = at_;
        auto digits = [&] {
            while (end < source_.size() && is_digit(source_[end])) ++end;
        };
        auto digit_at = [&](size_t i) { return i < source_.size() && is_digit(source_[i]); };
        digits();
        bool real = false;
        bool after_dot = at_ > 0 && source_[at_ - 1] == '.'; // x.0.1: items, not a number
        if (!after_dot) {
            if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) real = true, ++end, digits();
            if (end < source_.size() && (source_[end] | 0x20) == 'e') {
                size_t power = end + 1;
                if (power < source_.size() && (source_[power] == '+' || source_[power] == '-')) ++power;
                if (digit_at(power)) real = true, end = power, digits();
            }
        }
        std::string text = source_.substr(at_, end - at_);
        bool odd_zero = !real && text.size() > 1 && text[0] == '0';
        if (odd_zero || (end < source_.size() && is_name_start(source_[end])))
            unsupported("the number form at \"" + text.substr(0, 40) + "\"");
        push(real ? TokenKind::Float : TokenKind::Integer, text);
        skip(end - at_);
    }

    void read_string(char quote) {
        size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
        if (end >= source_.size()) syntax("a string is not closed");
        push(TokenKind::String, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
        skip(end + 1 - at_);
    }

    // Python's unicode-escape; what is no escape keeps its backslash.
    std::string unescape(std::string_view text) const {
        static constexpr std::string_view letters = "ntrabfv\\'\"", meanings = "\n\t\r\a\b\f\v\\'\"";
        std::string out;
        for (size_t i = 0; i < text.size(); ++i) {
            if (text[i] != '\\' || i + 1 == text.size()) {
                out += text[i];
                continue;
            }
            char c = text[++i];
            size_t known = letters.find(c);
            size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
            if (known != std::string_view::npos) {
                out += meanings[known];
            } else if (digits > 0) {
                append_utf8(hex(text, i + 1, digits), out);
                i += digits;
            } else if (c == 'N' || (c >= '0' && c <= '7')) {
                unsupported(std::string("the string escape \\") + c);
            } else if (c != '\n') {
                out += '\\', out += c;
            }
        }
        return out;
    }

    uint32_t hex(std::string_view text, size_t at, size_t digits) const {
        uint32_t code = 0;
        for (size_t i = at; i < at + digits; ++i) {
            char c = i < text.size() ? text[i] : '\0', lower = static_cast<char>(c | 0x20);
            if (!is_digit(c) && (lower < 'a' || lower > 'f')) syntax("a string escape lacks hexadecimal digits");
            code = code << 4 | static_cast<uint32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
        }
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) syntax("a string escape is no character");
        return code;
    }

    void read_operator(std::string& open) {
        static constexpr std::string_view pairs[] = {"//", "**", "==", "!=", "<=", ">="};
        static constexpr std::string_view singles = "+-*/%~[](){}<>=.:|,;";
        for (std::string_view pair : pairs) {
            if (!starts(pair)) continue;
            push(TokenKind::Operator, std::string(pair));
            return skip(2);
        }
        char c = source_[at_];
        if (singles.find(c) == std::string_view::npos) syntax(fmt::format("unexpected character at byte {}", at_));
        if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
        if (c == ')' || c == ']' || c == '}') {
            if (open.empty() || open.back() != c) syntax(fmt::format("unexpected \"{}\"", c));
            open.pop_back();
        }
        push(TokenKind::Operator, std::string(1, c));
        skip(1);
    }

    std::string source_;
    const std::string& name_;
    size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

} // namespace

std::vector<Token> tokenize(std::string_view source, const std::string& name) { return Lexer(source, name).run(); }

} // namespace steer::jinja
