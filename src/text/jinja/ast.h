// What the parser makes of a template: trees of expressions and statements.
#pragma once

#include "text/jinja/value.h"

#include <memory>
#include <string>
#include <vector>

namespace steer::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind : uint8_t {
    Constant,    // constant
    Name,        // name
    List,        // args
    Tuple,       // args
    Dict,        // args: key, value, key, value, ...
    Attribute,   // args[0].name
    Item,        // args[0][args[1]]
    Slice,       // args[0][args[1]:args[2]:args[3]], each of the three may be null
    Call,        // args[0](args[1], ..., keywords)
    Filter,      // args[0] | name(args[1], ..., keywords)
    Test,        // args[0] is name(args[1], ...)
    Not,         // args[0]
    Negative,    // args[0]
    Positive,    // args[0]
    And,         // args[0], args[1]
    Or,          // args[0], args[1]
    Compare,     // args[0] operators[0] args[1] operators[1] args[2] ...
    Arithmetic,  // args[0] operators[0] args[1]
    Concat,      // args, joined as text
    Conditional, // args[1] if args[0] else args[2], which may be null
};

struct Keyword {
    std::string name;
    ExpressionPtr value;
};

struct Expression {
    ExpressionKind kind;
    int line = 0;
    uint32_t depth = 1; // of the tree below
    std::string name;
    Value constant;
    std::vector<ExpressionPtr> args;
    std::vector<Keyword> keywords;
    std::vector<std::string> operators;
};

struct Statement;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

enum class StatementKind : uint8_t {
    Text,      // text
    Print,     // value
    If,        // branches, otherwise
    For,       // targets in value if condition: body, otherwise
    Set,       // targets = value
    SetBlock,  // targets[0] = what body prints
    SetMember, // targets[0].targets[1] = value
    Macro,     // targets[0](keywords; value null: no default): body
    Group,     // body: {% generation %}
    Break,
    Continue,
};

struct Branch {
    ExpressionPtr condition;
    Body body;
};

struct Statement {
    StatementKind kind;
    int line = 0;
    TextPtr text;
    ExpressionPtr value, condition;
    std::vector<std::string> targets;
    std::vector<Keyword> keywords;
    std::vector<Branch> branches;
    Body body, otherwise;
};

class Program {
  public:
    std::string name, source;
    Body body;
};

} // namespace steer::jinja
