#include "text/constraint/json_rules.h"

namespace steer::constraint {
namespace {

class Maker {
  public:
    explicit Maker(GrammarBuilder& builder) : builder_(builder) {}

    JsonRules make() {
        make_gap();
        make_text(rules_.text, false);
        make_text(rules_.counted_text, true);
        make_name();
        make_numbers();
        make_words();
        rules_.value.rule = builder_.add_rule();
        make_object();
        make_array();
        const NodeId start = builder_.start(rules_.value.rule), end = end_of(rules_.value);
        for (const Entry& one : {rules_.object, rules_.array, rules_.text, rules_.number, rules_.boolean, rules_.null})
            builder_.call(start, one, end);
        return rules_;
    }

  private:
    NodeId end_of(const Entry& entry) {
        const NodeId end = builder_.add_node(entry.rule);
        builder_.set_final(end);
        return end;
    }

    void make_gap() {
        rules_.gap = {builder_.add_rule(), {0, kIndentMax}};
        const NodeId start = builder_.start(rules_.gap.rule), end = end_of(rules_.gap), line = end_of(rules_.gap);
        const NodeId carriage = builder_.add_node(rules_.gap.rule);
        builder_.edge(start, ' ', end);
        builder_.edge(start, '\n', line);
        builder_.edge(start, '\r', carriage);
        builder_.edge(carriage, '\n', line);
        builder_.edge(line, ' ', ' ', line, true);
        builder_.edge(line, '\t', '\t', line, true);
    }

    void hex(NodeId from, NodeId to, std::string_view digits = "0123456789abcdefABCDEF") {
        for (const char digit : digits) builder_.edge(from, digit, to);
    }
    NodeId hex_digits(NodeId from, int count, NodeId to) {
        for (; count > 1; count--) {
            const NodeId next = builder_.add_node(builder_.grammar().node(from).rule);
            hex(from, next);
            from = next;
        }
        hex(from, to);
        return from;
    }

    void make_text(Entry& text, bool counts) {
        text.rule = builder_.add_rule();
        const NodeId body = builder_.add_node(text.rule), end = end_of(text), escape = builder_.add_node(text.rule);
        builder_.edge(builder_.start(text.rule), '"', body);
        builder_.edge(body, '"', '"', end, false, counts);
        builder_.edge(body, '\\', '\\', escape, counts);
        add_characters(builder_, body, 0x20, '"' - 1, body, counts);
        add_characters(builder_, body, '"' + 1, '\\' - 1, body, counts);
        add_characters(builder_, body, '\\' + 1, 0x10FFFF, body, counts);
        for (const char one : std::string_view("\"\\/bfnrt")) builder_.edge(escape, one, body);

        // \uXXXX; a surrogate comes as the first half of a pair, and then the second half must follow.
        const auto node = [&] { return builder_.add_node(text.rule); };
        const NodeId code = node(), three = node(), after_d = node(), two = node(), half = node();
        builder_.edge(escape, 'u', code);
        hex(code, three, "0123456789abcefABCEF");
        hex(code, after_d, "dD");
        hex_digits(three, 3, body);
        hex(after_d, two, "01234567");
        hex_digits(two, 2, body);
        hex(after_d, half, "89abAB");
        const NodeId pair = node(), low = node(), last_two = node();
        hex_digits(half, 2, pair);
        const NodeId low_u = builder_.literal(pair, "\\u");
        hex(low_u, low, "dD");
        hex(low, last_two, "cdefCDEF");
        hex_digits(last_two, 2, body);
    }

    void make_name() {
        rules_.name.rule = builder_.add_rule(RuleKind::name);
        const NodeId body = builder_.add_node(rules_.name.rule);
        builder_.edge(builder_.start(rules_.name.rule), '"', body);
        builder_.edge(body, '"', end_of(rules_.name));
        add_characters(builder_, body, 0, 0x10FFFF, body);
    }

    // `from`, then up to `max` digits more, each step of which may lead on to `to`.
    void digits(NodeId from, uint32_t max, NodeId to) {
        for (uint32_t i = 0; i < max; i++) {
            const NodeId next = builder_.add_node(builder_.grammar().node(from).rule);
            builder_.edge(from, '0', '9', next);
            builder_.skip(next, to);
            from = next;
        }
    }

    void make_numbers() {
        rules_.integer.rule = builder_.add_rule();
        const NodeId start = builder_.start(rules_.integer.rule), end = end_of(rules_.integer);
        const NodeId negative = builder_.add_node(rules_.integer.rule), first = builder_.add_node(rules_.integer.rule);
        builder_.edge(start, '0', end);
        builder_.edge(start, '-', negative);
        for (const NodeId from : {start, negative}) builder_.edge(from, '1', '9', first);
        builder_.skip(first, end);
        digits(first, kIntegerDigits - 1, end);

        rules_.number.rule = builder_.add_rule();
        const auto node = [&] { return builder_.add_node(rules_.number.rule); };
        const NodeId begin = builder_.start(rules_.number.rule), unsigned_ = node(), lead = node(), whole = node(),
                     fraction = node(), scaled = node(), exponent = node(), power = node(),
                     done = end_of(rules_.number);
        builder_.edge(begin, '-', unsigned_);
        builder_.skip(begin, unsigned_);
        builder_.edge(unsigned_, '0', whole);
        builder_.edge(unsigned_, '1', '9', lead);
        builder_.skip(lead, whole);
        digits(lead, kIntegerDigits - 1, whole);
        builder_.edge(whole, '.', fraction);
        digits(fraction, kFractionDigits, scaled);
        builder_.skip(whole, scaled);
        builder_.skip(scaled, done);
        for (const char e : {'e', 'E'}) builder_.edge(scaled, e, exponent);
        for (const char sign : {'+', '-'}) builder_.edge(exponent, sign, power);
        builder_.skip(exponent, power);
        digits(power, kExponentDigits, done);
    }

    void make_words() {
        rules_.boolean.rule = builder_.add_rule();
        const std::string words[] = {"true", "false"};
        builder_.literals(builder_.start(rules_.boolean.rule), words, end_of(rules_.boolean));
        rules_.null.rule = builder_.add_rule();
        builder_.set_final(builder_.literal(builder_.start(rules_.null.rule), "null"));
    }

    void make_object() {
        rules_.object.rule = builder_.add_rule(RuleKind::container);
        const auto node = [&] { return builder_.add_node(rules_.object.rule); };
        const NodeId open = node(), key = node(), colon = node(), before_value = node(), value = node(), after = node(),
                     comma = node(), close = node();
        builder_.edge(builder_.start(rules_.object.rule), '{', open);
        add_gap(builder_, rules_, open, key);
        add_gap(builder_, rules_, open, close);
        builder_.call(key, rules_.name, colon);
        builder_.edge(colon, ':', before_value);
        add_gap(builder_, rules_, before_value, value);
        builder_.call(value, rules_.value, after);
        builder_.edge(after, ',', comma);
        add_gap(builder_, rules_, comma, key);
        add_gap(builder_, rules_, after, close);
        builder_.edge(close, '}', end_of(rules_.object));
    }

    void make_array() {
        rules_.array.rule = builder_.add_rule(RuleKind::container);
        const auto node = [&] { return builder_.add_node(rules_.array.rule); };
        const NodeId open = node(), item = node(), after = node(), comma = node(), close = node();
        builder_.edge(builder_.start(rules_.array.rule), '[', open);
        add_gap(builder_, rules_, open, item);
        add_gap(builder_, rules_, open, close);
        builder_.call(item, rules_.value, after);
        builder_.edge(after, ',', comma);
        add_gap(builder_, rules_, comma, item);
        add_gap(builder_, rules_, after, close);
        builder_.edge(close, ']', end_of(rules_.array));
    }

    GrammarBuilder& builder_;
    JsonRules rules_;
};

} // namespace

JsonRules add_json_rules(GrammarBuilder& builder) { return Maker(builder).make(); }

Grammar json_grammar() {
    GrammarBuilder builder;
    const JsonRules rules = add_json_rules(builder);
    builder.finish(rules.value);
    return builder.take();
}

void add_gap(GrammarBuilder& builder, const JsonRules& rules, NodeId from, NodeId to) {
    builder.skip(from, to);
    builder.call(from, rules.gap, to);
}

} // namespace steer::constraint
