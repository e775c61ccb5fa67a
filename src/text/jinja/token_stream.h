// The parser's view of the tokens.
#pragma once

#include "files/error.h"
#include "text/jinja/lexer.h"

#include <string>
#include <vector>

namespace steer::jinja {

class TokenStream {
  public:
    TokenStream(std::vector<Token> tokens, const std::string& name) : tokens_(std::move(tokens)), name_(name) {}

    const Token& peek(size_t ahead = 0) const {
        return tokens_[at_ + ahead < tokens_.size() ? at_ + ahead : tokens_.size() - 1];
    }
    Token next() {
        Token token = peek();
        if (at_ + 1 < tokens_.size()) ++at_;
        return token;
    }
    int line() const { return peek().line; }

    bool is(TokenKind kind, size_t ahead = 0) const { return peek(ahead).kind == kind; }
    bool is_name(std::string_view name, size_t ahead = 0) const {
        return is(TokenKind::Name, ahead) && peek(ahead).text == name;
    }
    bool is_operator(std::string_view text, size_t ahead = 0) const {
        return is(TokenKind::Operator, ahead) && peek(ahead).text == text;
    }
    bool skip_name(std::string_view name) { return is_name(name) && (next(), true); }
    bool skip_operator(std::string_view text) { return is_operator(text) && (next(), true); }

    std::string expect_name() {
        if (!is(TokenKind::Name)) syntax("a name is expected, found " + describe());
        return next().text;
    }
    void expect_name(std::string_view name) {
        if (!skip_name(name)) syntax(fmt::format("\"{}\" is expected, found {}", name, describe()));
    }
    void expect_operator(std::string_view text) {
        if (!skip_operator(text)) syntax(fmt::format("\"{}\" is expected, found {}", text, describe()));
    }
    void expect(TokenKind kind) {
        if (!is(kind)) syntax("the tag should end here, found " + describe());
        next();
    }

    std::string describe() const {
        const Token& token = peek();
        switch (token.kind) {
        case TokenKind::Data:
            return "text";
        case TokenKind::BlockBegin:
            return "\"{%\"";
        case TokenKind::BlockEnd:
            return "\"%}\"";
        case TokenKind::PrintBegin:
            return "\"{{\"";
        case TokenKind::PrintEnd:
            return "\"}}\"";
        case TokenKind::String:
            return "a string";
        case TokenKind::End:
            return "the end of the template";
        default:
            return "\"" + token.text.substr(0, 40) + "\"";
        }
    }
    [[noreturn]] void syntax(std::string_view what) const {
        fail(STEER_ERR_FORMAT, "{}: line {}: {}", name_, line(), what);
    }
    [[noreturn]] void unsupported(std::string_view what, int line) const {
        fail(STEER_ERR_UNSUPPORTED, "{}: line {}: {} is not supported in chat templates", name_, line, what);
    }

  private:
    std::vector<Token> tokens_;
    const std::string& name_;
    size_t at_ = 0;
};

} // namespace steer::jinja
