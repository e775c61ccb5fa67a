#include "text/jinja/expression_parser.h"

#include "text/jinja/builtins.h"

#include <algorithm>
#include <charconv>

namespace steer::jinja {

class ExpressionParser::Nesting {
  public:
    explicit Nesting(ExpressionParser& parser) : parser_(parser) {
        if (++parser_.nesting_ > nesting_max)
            parser_.tokens_.unsupported(fmt::format("nesting deeper than {}", nesting_max), parser_.tokens_.line());
    }
    ~Nesting() { --parser_.nesting_; }

  private:
    ExpressionParser& parser_;
};

void ExpressionParser::adopt(Expression& parent, ExpressionPtr child) {
    if (child) {
        parent.depth = std::max(parent.depth, child->depth + 1);
        if (parent.depth > tree_depth_max)
            tokens_.unsupported(fmt::format("an expression of more than {} levels", tree_depth_max), parent.line);
    }
    parent.args.push_back(std::move(child));
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int line, std::vector<ExpressionPtr> args) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = line;
    for (ExpressionPtr& arg : args) adopt(*node, std::move(arg));
    return node;
}

ExpressionPtr ExpressionParser::parse_expression(bool conditional) {
    Nesting guard(*this);
    ExpressionPtr node = parse_or();
    while (conditional && tokens_.is_name("if")) {
        int line = tokens_.next().line;
        ExpressionPtr condition = parse_or();
        ExpressionPtr otherwise = tokens_.skip_name("else") ? parse_expression() : nullptr;
        node =
            make_with(ExpressionKind::Conditional, line, std::move(condition), std::move(node), std::move(otherwise));
    }
    return node;
}

ExpressionPtr ExpressionParser::parse_tuple(bool conditional) {
    int line = tokens_.line();
    ExpressionPtr first = parse_expression(conditional);
    if (!tokens_.is_operator(",")) return first;
    ExpressionPtr tuple = make_with(ExpressionKind::Tuple, line, std::move(first));
    while (tokens_.skip_operator(",")) {
        bool ends = tokens_.is(TokenKind::BlockEnd) || tokens_.is(TokenKind::PrintEnd) || tokens_.is_operator(")");
        if (ends) break;
        adopt(*tuple, parse_expression(conditional));
    }
    return tuple;
}

ExpressionPtr ExpressionParser::parse_or() {
    ExpressionPtr left = parse_and();
    while (tokens_.is_name("or")) {
        int line = tokens_.next().line;
        ExpressionPtr right = parse_and();
        left = make_with(ExpressionKind::Or, line, std::move(left), std::move(right));
    }
    return left;
}

ExpressionPtr ExpressionParser::parse_and() {
    ExpressionPtr left = parse_not();
    while (tokens_.is_name("and")) {
        int line = tokens_.next().line;
        ExpressionPtr right = parse_not();
        left = make_with(ExpressionKind::And, line, std::move(left), std::move(right));
    }
    return left;
}

ExpressionPtr ExpressionParser::parse_not() {
    if (!tokens_.is_name("not")) return parse_compare();
    Nesting guard(*this);
    int line = tokens_.next().line;
    return make_with(ExpressionKind::Not, line, parse_not());
}

ExpressionPtr ExpressionParser::parse_compare() {
    static constexpr std::string_view symbols[] = {"==", "!=", "<", "<=", ">", ">="};
    int line = tokens_.line();
    ExpressionPtr first = parse_sum();
    ExpressionPtr node;
    for (;;) {
        std::string symbol;
        if (tokens_.is(TokenKind::Operator) &&
            std::find(std::begin(symbols), std::end(symbols), tokens_.peek().text) != std::end(symbols)) {
            symbol = tokens_.next().text;
        } else if (tokens_.skip_name("in")) {
            symbol = "in";
        } else if (tokens_.is_name("not") && tokens_.is_name("in", 1)) {
            tokens_.next(), tokens_.next();
            symbol = "not in";
        } else {
            return node ? std::move(node) : std::move(first);
        }
        if (!node) node = make_with(ExpressionKind::Compare, line, std::move(first));
        node->operators.push_back(symbol);
        adopt(*node, parse_sum());
    }
}

ExpressionPtr ExpressionParser::parse_sum() {
    ExpressionPtr left = parse_concat();
    while (tokens_.is_operator("+") || tokens_.is_operator("-")) {
        Token symbol = tokens_.next();
        ExpressionPtr right = parse_concat();
        left = make_with(ExpressionKind::Arithmetic, symbol.line, std::move(left), std::move(right));
        left->operators.push_back(symbol.text);
    }
    return left;
}

ExpressionPtr ExpressionParser::parse_concat() {
    int line = tokens_.line();
    ExpressionPtr first = parse_product();
    if (!tokens_.is_operator("~")) return first;
    ExpressionPtr node = make_with(ExpressionKind::Concat, line, std::move(first));
    while (tokens_.skip_operator("~")) adopt(*node, parse_product());
    return node;
}

ExpressionPtr ExpressionParser::parse_product() {
    ExpressionPtr left = parse_power();
    while (tokens_.is_operator("*") || tokens_.is_operator("/") || tokens_.is_operator("//") ||
           tokens_.is_operator("%")) {
        Token symbol = tokens_.next();
        ExpressionPtr right = parse_power();
        left = make_with(ExpressionKind::Arithmetic, symbol.line, std::move(left), std::move(right));
        left->operators.push_back(symbol.text);
    }
    return left;
}

ExpressionPtr ExpressionParser::parse_power() {
    ExpressionPtr left = parse_unary();
    if (tokens_.is_operator("**")) tokens_.unsupported("the operator **", tokens_.line());
    return left;
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filter) {
    ExpressionPtr node;
    if (tokens_.is_operator("-") || tokens_.is_operator("+")) {
        Nesting guard(*this);
        Token sign = tokens_.next();
        auto kind = sign.text == "-" ? ExpressionKind::Negative : ExpressionKind::Positive;
        node = make_with(kind, sign.line, parse_unary(false));
    } else {
        node = parse_primary();
    }
    node = parse_postfix(std::move(node));
    return with_filter ? parse_filters(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::parse_primary() {
    const Token& token = tokens_.peek();
    switch (token.kind) {
    case TokenKind::Name: {
        Token name = tokens_.next();
        auto constant = [&](Value value) {
            ExpressionPtr node = make(ExpressionKind::Constant, name.line);
            node->constant = std::move(value);
            return node;
        };
        if (name.text == "true" || name.text == "True") return constant(true);
        if (name.text == "false" || name.text == "False") return constant(false);
        if (name.text == "none" || name.text == "None") return constant(None{});
        ExpressionPtr node = make(ExpressionKind::Name, name.line);
        node->name = name.text;
        return node;
    }
    case TokenKind::String:
        return parse_string();
    case TokenKind::Integer:
    case TokenKind::Float:
        return parse_number();
    default:
        break;
    }
    if (tokens_.is_operator("(")) return parse_parenthesis();
    if (tokens_.is_operator("[")) return parse_list();
    if (tokens_.is_operator("{")) return parse_dict();
    tokens_.syntax("an expression is expected, found " + tokens_.describe());
}

ExpressionPtr ExpressionParser::parse_string() {
    ExpressionPtr node = make(ExpressionKind::Constant, tokens_.line());
    std::string text;
    while (tokens_.is(TokenKind::String)) text += tokens_.next().text; // "a" "b" is "ab"
    node->constant = make_text(text, Origin::Template);
    return node;
}

ExpressionPtr ExpressionParser::parse_number() {
    Token token = tokens_.next();
    ExpressionPtr node = make(ExpressionKind::Constant, token.line);
    const char *begin = token.text.data(), *end = begin + token.text.size();
    int64_t whole = 0;
    double real = 0.0;
    bool good = token.kind == TokenKind::Integer ? std::from_chars(begin, end, whole).ec == std::errc()
                                                 : std::from_chars(begin, end, real).ec == std::errc();
    if (!good) tokens_.unsupported("the number " + token.text.substr(0, 40), token.line);
    if (token.kind == TokenKind::Integer) {
        node->constant = whole;
    } else {
        node->constant = real;
    }
    return node;
}

ExpressionPtr ExpressionParser::parse_parenthesis() {
    int line = tokens_.next().line;
    if (tokens_.skip_operator(")")) return make(ExpressionKind::Tuple, line);
    ExpressionPtr node = parse_tuple();
    tokens_.expect_operator(")");
    return node;
}

ExpressionPtr ExpressionParser::parse_list() {
    ExpressionPtr node = make(ExpressionKind::List, tokens_.next().line);
    while (!tokens_.skip_operator("]")) {
        if (!node->args.empty()) tokens_.expect_operator(",");
        if (tokens_.skip_operator("]")) break;
        adopt(*node, parse_expression());
    }
    return node;
}

ExpressionPtr ExpressionParser::parse_dict() {
    ExpressionPtr node = make(ExpressionKind::Dict, tokens_.next().line);
    while (!tokens_.skip_operator("}")) {
        if (!node->args.empty()) tokens_.expect_operator(",");
        if (tokens_.skip_operator("}")) break;
        adopt(*node, parse_expression());
        tokens_.expect_operator(":");
        adopt(*node, parse_expression());
    }
    return node;
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr node) {
    for (;;) {
        int line = tokens_.line();
        if (tokens_.skip_operator(".")) {
            if (tokens_.is(TokenKind::Integer)) {
                ExpressionPtr index = parse_number();
                node = make_with(ExpressionKind::Item, line, std::move(node), std::move(index));
                continue;
            }
            node = make_with(ExpressionKind::Attribute, line, std::move(node));
            node->name = tokens_.expect_name();
        } else if (tokens_.skip_operator("[")) {
            node = parse_subscript(std::move(node));
        } else if (tokens_.is_operator("(")) {
            node = make_with(ExpressionKind::Call, line, std::move(node));
            parse_arguments(*node);
        } else {
            return node;
        }
    }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr node) {
    int line = tokens_.line();
    auto bound = [&]() -> ExpressionPtr {
        return tokens_.is_operator(":") || tokens_.is_operator("]") ? nullptr : parse_expression();
    };
    ExpressionPtr first = bound();
    if (!tokens_.is_operator(":")) {
        if (!first) tokens_.syntax("an index is expected");
        if (tokens_.is_operator(",")) tokens_.unsupported("an index of several parts", line);
        tokens_.expect_operator("]");
        return make_with(ExpressionKind::Item, line, std::move(node), std::move(first));
    }
    tokens_.next();
    ExpressionPtr second = bound(), third;
    if (tokens_.skip_operator(":")) third = bound();
    tokens_.expect_operator("]");
    return make_with(ExpressionKind::Slice, line, std::move(node), std::move(first), std::move(second),
                     std::move(third));
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr node) {
    for (;;) {
        if (tokens_.is_operator("|")) {
            node = parse_filter(std::move(node));
        } else if (tokens_.is_name("is")) {
            node = parse_test(std::move(node));
        } else if (tokens_.is_operator("(")) {
            node = make_with(ExpressionKind::Call, tokens_.line(), std::move(node));
            parse_arguments(*node);
        } else {
            return node;
        }
    }
}

ExpressionPtr ExpressionParser::parse_filter(ExpressionPtr node) {
    int line = tokens_.next().line;
    node = make_with(ExpressionKind::Filter, line, std::move(node));
    node->name = tokens_.expect_name();
    if (!has_filter(node->name)) tokens_.unsupported("the filter \"" + node->name + "\"", line);
    if (tokens_.is_operator("(")) parse_arguments(*node);
    return node;
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr node) {
    int line = tokens_.next().line;
    bool negated = tokens_.skip_name("not");
    node = make_with(ExpressionKind::Test, line, std::move(node));
    node->name = tokens_.expect_name();
    if (!has_test(node->name)) tokens_.unsupported("the test \"" + node->name + "\"", line);
    bool word = tokens_.is(TokenKind::Name) && !tokens_.is_name("else") && !tokens_.is_name("or") &&
                !tokens_.is_name("and") && !tokens_.is_name("is") && !tokens_.is_name("if");
    bool literal = tokens_.is(TokenKind::String) || tokens_.is(TokenKind::Integer) || tokens_.is(TokenKind::Float) ||
                   tokens_.is_operator("[") || tokens_.is_operator("{");
    if (tokens_.is_operator("(")) {
        parse_arguments(*node);
    } else if (word || literal) {
        adopt(*node, parse_postfix(parse_primary())); // x is divisibleby 3
    }
    return negated ? make_with(ExpressionKind::Not, line, std::move(node)) : std::move(node);
}

void ExpressionParser::parse_arguments(Expression& call) {
    tokens_.expect_operator("(");
    bool first = true;
    while (!tokens_.skip_operator(")")) {
        if (!first) tokens_.expect_operator(",");
        first = false;
        if (tokens_.skip_operator(")")) return;
        if (tokens_.is_operator("*") || tokens_.is_operator("**"))
            tokens_.unsupported("an argument list with *", call.line);
        if (tokens_.is(TokenKind::Name) && tokens_.is_operator("=", 1)) {
            std::string name = tokens_.next().text;
            tokens_.next();
            ExpressionPtr value = parse_expression();
            call.depth = std::max(call.depth, value->depth + 1);
            call.keywords.push_back({std::move(name), std::move(value)});
            continue;
        }
        if (!call.keywords.empty()) tokens_.syntax("an argument without a name follows one with a name");
        adopt(call, parse_expression());
    }
}

std::vector<Keyword> ExpressionParser::parse_parameters() {
    std::vector<Keyword> parameters;
    tokens_.expect_operator("(");
    while (!tokens_.skip_operator(")")) {
        if (!parameters.empty()) tokens_.expect_operator(",");
        std::string name = tokens_.expect_name();
        ExpressionPtr value = tokens_.skip_operator("=") ? parse_expression() : nullptr;
        parameters.push_back({std::move(name), std::move(value)});
    }
    return parameters;
}

} // namespace steer::jinja
