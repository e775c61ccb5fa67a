// The expressions of the grammar. Nesting is limited, so that no template can exhaust the stack.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace steer::jinja {

inline constexpr uint32_t nesting_max = 64;     // brackets in brackets, statements in statements
inline constexpr uint32_t tree_depth_max = 128; // of an expression: a + b + c ... grows to the left

class ExpressionParser {
  public:
    explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

    ExpressionPtr parse_expression(bool conditional = true); // without conditional, "if" ends it
    ExpressionPtr parse_tuple(bool conditional = true);      // an expression, or several with commas between
    std::vector<Keyword> parse_parameters();                 // of a macro: (a, b=1)

  private:
    class Nesting;

    ExpressionPtr parse_or();
    ExpressionPtr parse_and();
    ExpressionPtr parse_not();
    ExpressionPtr parse_compare();
    ExpressionPtr parse_sum();
    ExpressionPtr parse_concat();
    ExpressionPtr parse_product();
    ExpressionPtr parse_power();
    ExpressionPtr parse_unary(bool with_filter = true);
    ExpressionPtr parse_primary();
    ExpressionPtr parse_string();
    ExpressionPtr parse_number();
    ExpressionPtr parse_parenthesis();
    ExpressionPtr parse_list();
    ExpressionPtr parse_dict();
    ExpressionPtr parse_postfix(ExpressionPtr node);
    ExpressionPtr parse_subscript(ExpressionPtr node);
    ExpressionPtr parse_filters(ExpressionPtr node);
    ExpressionPtr parse_filter(ExpressionPtr node);
    ExpressionPtr parse_test(ExpressionPtr node);
    void parse_arguments(Expression& call);

    ExpressionPtr make(ExpressionKind kind, int line, std::vector<ExpressionPtr> args = {});
    void adopt(Expression& parent, ExpressionPtr child); // child may be null
    template<class... Args>
    ExpressionPtr make_with(ExpressionKind kind, int line, Args... args) {
        ExpressionPtr node = make(kind, line);
        (adopt(*node, std::move(args)), ...);
        return node;
    }

    TokenStream& tokens_;
    uint32_t nesting_ = 0;
};

} // namespace steer::jinja
