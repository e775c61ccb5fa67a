// Regular expressions of JSON Schema ("pattern", ECMA-262) as deterministic automata over characters: no backtracking,
// and limits on depth, size and work. Known: characters and escapes, ., classes, \d \w \s and their opposites, groups,
// alternatives, * + ? {n,m} and their lazy forms, ^ and $. Where dialects differ (is a digit or a space beyond
// ASCII one?) a class holds what all of them agree on, \W and [^\w] no letter beyond ASCII.
#pragma once

#include "text/constraint/code_points.h"
#include "text/constraint/grammar.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace steer::constraint {

struct Regex;
using RegexPtr = std::unique_ptr<const Regex>;

struct Regex {
    enum Kind : uint8_t { characters, sequence, alternatives, repeat, begin, end };

    Kind kind = sequence;
    CodeSet set;                 // characters
    std::vector<RegexPtr> parts; // sequence, alternatives; of repeat the one
    uint32_t min = 0, max = 0;   // repeat; max UINT32_MAX: without end
};

// where: the schema's pointer, for words. Broken: STEER_ERR_FORMAT; not known: STEER_ERR_UNSUPPORTED.
RegexPtr parse_pattern(std::string_view pattern, const std::string& where);

struct Dfa {
    struct Edge {
        uint32_t first, last; // characters
        uint32_t to;
    };
    struct State {
        std::vector<Edge> edges;
        bool accepts = false;
    };
    std::vector<State> states; // the first is the start; all lead to one that accepts, if there is any
};

// The texts in which the pattern is found somewhere.
Dfa compile_pattern(const Regex& regex, const std::string& where);
// Of those the ones with a length within limits, in characters.
Dfa limit_length(const Dfa& dfa, const Limits& limits, const std::string& where);

} // namespace steer::constraint
