// Characters of a JSON string as bytes: UTF-8 (Unicode table 3-7, so no surrogates and nothing overlong), and escapes.
#include "text/constraint/json_rules.h"

#include "files/utf8.h"

#include <algorithm>
#include <array>

namespace steer::constraint {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

struct Utf8 {
    std::array<uint8_t, 4> bytes{};
    size_t size = 0;
};

Utf8 encode(uint32_t code) {
    std::string text;
    append_utf8(code, text);
    Utf8 out;
    for (const char byte : text) out.bytes[out.size++] = static_cast<uint8_t>(byte);
    return out;
}

// Where any `count` continuation bytes lead to `to`.
NodeId add_tail(GrammarBuilder& builder, RuleId rule, size_t count, NodeId to) {
    for (; count > 0; count--) {
        const NodeId before = builder.add_node(rule);
        builder.edge(before, 0x80, 0xBF, to);
        to = before;
    }
    return to;
}

// All byte sequences of one length from low to high.
void add_sequences(GrammarBuilder& builder, NodeId from, std::span<const uint8_t> low, std::span<const uint8_t> high,
                   NodeId to, bool counts) {
    if (low.size() == 1) return builder.edge(from, low[0], high[0], to, counts);
    const RuleId rule = builder.grammar().node(from).rule;
    const auto rest_is = [](std::span<const uint8_t> bytes, uint8_t value) {
        return std::all_of(bytes.begin() + 1, bytes.end(), [&](uint8_t byte) { return byte == value; });
    };
    uint8_t first = low[0], last = high[0];
    if (first == last && !(rest_is(low, 0x80) && rest_is(high, 0xBF))) {
        const NodeId next = builder.add_node(rule);
        builder.edge(from, first, first, next, counts);
        return add_sequences(builder, next, low.subspan(1), high.subspan(1), to, false);
    }
    constexpr std::array<uint8_t, 3> lowest{0x80, 0x80, 0x80}, highest{0xBF, 0xBF, 0xBF};
    if (!rest_is(low, 0x80)) {
        const NodeId next = builder.add_node(rule);
        builder.edge(from, first, first, next, counts);
        add_sequences(builder, next, low.subspan(1), std::span(highest).first(low.size() - 1), to, false);
        first++;
    }
    if (!rest_is(high, 0xBF)) {
        const NodeId next = builder.add_node(rule);
        builder.edge(from, last, last, next, counts);
        add_sequences(builder, next, std::span(lowest).first(high.size() - 1), high.subspan(1), to, false);
        last--;
    }
    if (first <= last) builder.edge(from, first, last, add_tail(builder, rule, low.size() - 1, to), counts);
}

void add_utf8(GrammarBuilder& builder, NodeId from, uint32_t first, uint32_t last, NodeId to, bool counts) {
    struct Stretch {
        uint32_t first, last;
    };
    constexpr Stretch stretches[] = {{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
    for (const Stretch& stretch : stretches) {
        const uint32_t begin = std::max(first, stretch.first), end = std::min(last, stretch.last);
        if (begin > end) continue;
        const Utf8 low = encode(begin), high = encode(end);
        add_sequences(builder, from, std::span(low.bytes).first(low.size), std::span(high.bytes).first(high.size), to,
                      counts);
    }
}

bool needs_escape(uint32_t code) { return code < 0x20 || code == '"' || code == '\\'; }

std::string escape(uint32_t code) {
    switch (code) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return {'\\', 'u', '0', '0', kHex[code >> 4], kHex[code & 15]};
    }
}

} // namespace

void add_characters(GrammarBuilder& builder, NodeId from, uint32_t first, uint32_t last, NodeId to, bool counts) {
    NodeId escaped = 0; // behind the backslash; not made yet
    std::vector<std::string> rests;
    for (uint32_t code = first; code <= last && code <= '\\'; code++)
        if (needs_escape(code)) rests.push_back(escape(code).substr(1));
    if (!rests.empty()) {
        escaped = builder.add_node(builder.grammar().node(from).rule);
        builder.edge(from, '\\', '\\', escaped, counts);
        builder.literals(escaped, rests, to);
    }
    constexpr struct { uint32_t first, last; } plain[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x10FFFF}};
    for (const auto& stretch : plain) {
        const uint32_t begin = std::max(first, stretch.first), end = std::min(last, stretch.last);
        if (begin <= end) add_utf8(builder, from, begin, end, to, counts);
    }
}

std::string spell_inside(std::string_view text) {
    std::string out;
    for (const char byte : text) {
        const auto code = static_cast<uint8_t>(byte);
        if (needs_escape(code))
            out += escape(code);
        else
            out += byte;
    }
    return out;
}

std::string spell_string(std::string_view text) { return '"' + spell_inside(text) + '"'; }

} // namespace steer::constraint
