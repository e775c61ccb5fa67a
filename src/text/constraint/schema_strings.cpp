// Strings: lengths, patterns, formats.
#include "text/constraint/pattern.h"
#include "text/constraint/schema_compiler.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace steer::constraint {
namespace {

// As patterns. Years are those from 1000 on; days are those that the month has.
struct Format {
    std::string_view name, pattern;
};

#define STEER_DATE                                                                                                     \
    "(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"               \
    "02-(?:0[1-9]|1\\d|2[0-8]))|(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)"
#define STEER_TIME "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define STEER_BYTE "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define STEER_WORD "[A-Za-z0-9]{1,32}"

constexpr std::array<Format, 6> kFormats{{
    {"date", "^" STEER_DATE "$"},
    {"time", "^" STEER_TIME "$"},
    {"date-time", "^" STEER_DATE "T" STEER_TIME "$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"email",
     "^" STEER_WORD "(?:[._+-]" STEER_WORD "){0,7}@(?:" STEER_WORD "(?:-" STEER_WORD "){0,3}\\.){1,4}[A-Za-z]{2,16}$"},
    {"ipv4", "^" STEER_BYTE "(?:\\." STEER_BYTE "){3}$"},
}};

#undef STEER_DATE
#undef STEER_TIME
#undef STEER_BYTE
#undef STEER_WORD

// A string in quotes whose characters an automaton accepts.
Entry add_text(GrammarBuilder& builder, const Dfa& dfa, const std::string& where) {
    const RuleId rule = builder.add_rule(RuleKind::plain, where);
    const NodeId end = builder.add_node(rule);
    builder.set_final(end);
    std::vector<NodeId> nodes;
    for (size_t i = 0; i < dfa.states.size(); i++) nodes.push_back(builder.add_node(rule));
    builder.edge(builder.start(rule), '"', nodes[0]);
    for (size_t i = 0; i < dfa.states.size(); i++) {
        if (dfa.states[i].accepts) builder.edge(nodes[i], '"', end);
        for (const Dfa::Edge& edge : dfa.states[i].edges)
            add_characters(builder, nodes[i], edge.first, edge.last, nodes[edge.to]);
    }
    return {rule, {}};
}

struct Repetition { // ^[class]{min,max}$
    const CodeSet* characters;
    Limits times;
};

// Its characters are counted, not told apart by place: one automaton and its masks for all places. Only where one of
// them is a single byte, which is what a character still needed is taken to cost.
std::optional<Repetition> find_repetition(const Regex& regex) {
    if (regex.kind != Regex::sequence || regex.parts.size() != 3) return {};
    const Regex& middle = *regex.parts[1];
    if (regex.parts[0]->kind != Regex::begin || regex.parts[2]->kind != Regex::end || middle.kind != Regex::repeat)
        return {};
    const Regex& one = *middle.parts[0];
    if (one.kind != Regex::characters) return {};
    for (uint32_t code = ' '; code <= '~'; code++)
        if (code != '"' && code != '\\' && one.set.contains(code))
            return Repetition{&one.set, {middle.min, middle.max}};
    return {};
}

Entry add_repetition(GrammarBuilder& builder, const CodeSet& characters, const Limits& times,
                     const std::string& where) {
    const RuleId rule = builder.add_rule(RuleKind::plain, where);
    const NodeId body = builder.add_node(rule), end = builder.add_node(rule);
    builder.set_final(end);
    builder.edge(builder.start(rule), '"', body);
    builder.edge(body, '"', '"', end, false, true);
    for (const CodeRange& range : characters.ranges())
        add_characters(builder, body, range.first, range.last, body, true);
    return {rule, times};
}

} // namespace

Entry SchemaCompiler::string(const SchemaAt& schema) {
    const Limits length = find_limits(schema, "minLength", "maxLength");
    const std::optional<std::string> pattern = find_text(schema, "pattern"), format = find_text(schema, "format");
    if (pattern && format) not_known(pointer_to(schema.where, "format"), "not known here beside pattern");
    if (!pattern && !format) return length == Limits{} ? rules_.text : Entry{rules_.counted_text.rule, length};
    std::string_view expression;
    if (pattern) expression = *pattern;
    for (const Format& known : kFormats)
        if (format == known.name) expression = known.pattern;
    if (format && expression.empty()) not_known(pointer_to(schema.where, "format"), "not known here");
    const std::string where = pointer_to(schema.where, pattern ? "pattern" : "format");
    const RegexPtr regex = parse_pattern(expression, schema.where);
    if (const std::optional<Repetition> found = find_repetition(*regex)) {
        const Limits times{std::max(found->times.min, length.min), std::min(found->times.max, length.max)};
        return times.min <= times.max ? add_repetition(builder_, *found->characters, times, where) : one_of({}, where);
    }
    Dfa dfa = compile_pattern(*regex, schema.where);
    if (!(length == Limits{})) dfa = limit_length(dfa, length, schema.where);
    return add_text(builder_, dfa, where);
}

} // namespace steer::constraint
