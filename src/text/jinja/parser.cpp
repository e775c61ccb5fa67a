#include "text/jinja/parser.h"

#include "text/jinja/expression_parser.h"
#include "files/utf8.h"

#include <algorithm>

namespace steer::jinja {
namespace {

constexpr size_t source_max = size_t{1} << 20;

class Parser {
  public:
    explicit Parser(TokenStream tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}

    Body parse_all() {
        Body body = parse_body({});
        if (!tokens_.is(TokenKind::End)) tokens_.syntax("unexpected {% " + tokens_.describe() + " %}");
        return body;
    }

  private:
    using EndTags = std::vector<std::string_view>;

    static StatementPtr make(StatementKind kind, int line) {
        auto statement = std::make_unique<Statement>();
        statement->kind = kind;
        statement->line = line;
        return statement;
    }

    bool at_end_tag(const EndTags& ends) const {
        return tokens_.is(TokenKind::BlockBegin) &&
               std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return tokens_.is_name(end, 1); });
    }

    // Up to the end, or to a tag that begins with one of ends: then the tag's name is the next token.
    Body parse_body(const EndTags& ends) {
        if (++nesting_ > nesting_max)
            tokens_.unsupported(fmt::format("statements nested deeper than {}", nesting_max), tokens_.line());
        Body body;
        while (!tokens_.is(TokenKind::End)) {
            int line = tokens_.line();
            if (at_end_tag(ends)) {
                tokens_.next();
                break;
            }
            if (tokens_.is(TokenKind::Data)) {
                body.push_back(make(StatementKind::Text, line));
                body.back()->text = std::make_shared<const Text>(tokens_.next().text, Origin::Template);
            } else if (tokens_.is(TokenKind::PrintBegin)) {
                tokens_.next();
                body.push_back(make(StatementKind::Print, line));
                body.back()->value = expressions_.parse_tuple();
                tokens_.expect(TokenKind::PrintEnd);
            } else {
                tokens_.next();
                body.push_back(parse_statement());
            }
        }
        --nesting_;
        return body;
    }

    // After the opening tag's expression: its end, the body and the closing tag.
    Body parse_block(std::string_view end) {
        tokens_.expect(TokenKind::BlockEnd);
        Body body = parse_body({end});
        close(end);
        return body;
    }

    void close(std::string_view end) {
        tokens_.expect_name(end);
        tokens_.expect(TokenKind::BlockEnd);
    }

    StatementPtr parse_statement() {
        int line = tokens_.line();
        std::string tag = tokens_.expect_name();
        if (tag == "if") return parse_if(line);
        if (tag == "for") return parse_for(line);
        if (tag == "set") return parse_set(line);
        if (tag == "macro") return parse_macro(line);
        if (tag == "break" || tag == "continue") return parse_jump(tag, line);
        if (tag == "generation") {
            StatementPtr group = make(StatementKind::Group, line);
            group->body = parse_block("endgeneration");
            return group;
        }
        static const EndTags known = {"raw",    "block", "extends", "include", "import",     "from",
                                      "filter", "call",  "with",    "do",      "autoescape", "trans"};
        if (std::find(known.begin(), known.end(), tag) != known.end()) tokens_.unsupported("{% " + tag + " %}", line);
        fail_unknown(tag);
    }

    [[noreturn]] void fail_unknown(const std::string& tag) const {
        tokens_.syntax("unexpected {% " + tag.substr(0, 40) + " %}");
    }

    StatementPtr parse_if(int line) {
        StatementPtr statement = make(StatementKind::If, line);
        do {
            Branch branch;
            branch.condition = expressions_.parse_tuple(false);
            tokens_.expect(TokenKind::BlockEnd);
            branch.body = parse_body({"elif", "else", "endif"});
            statement->branches.push_back(std::move(branch));
        } while (tokens_.skip_name("elif"));
        if (tokens_.skip_name("else")) {
            statement->otherwise = parse_block("endif");
        } else {
            close("endif");
        }
        return statement;
    }

    StatementPtr parse_for(int line) {
        StatementPtr statement = make(StatementKind::For, line);
        bool bracket = tokens_.skip_operator("(");
        do {
            statement->targets.push_back(tokens_.expect_name());
        } while (tokens_.skip_operator(","));
        if (bracket) tokens_.expect_operator(")");
        tokens_.expect_name("in");
        statement->value = expressions_.parse_tuple(false);
        if (tokens_.skip_name("if")) statement->condition = expressions_.parse_expression();
        if (tokens_.is_name("recursive")) tokens_.unsupported("a recursive loop", line);
        tokens_.expect(TokenKind::BlockEnd);
        ++loops_;
        statement->body = parse_body({"endfor", "else"});
        --loops_;
        if (tokens_.skip_name("else")) {
            statement->otherwise = parse_block("endfor");
        } else {
            close("endfor");
        }
        return statement;
    }

    StatementPtr parse_set(int line) {
        StatementPtr statement = make(StatementKind::Set, line);
        statement->targets.push_back(tokens_.expect_name());
        if (tokens_.skip_operator(".")) {
            statement->kind = StatementKind::SetMember;
            statement->targets.push_back(tokens_.expect_name());
        }
        while (statement->kind == StatementKind::Set && tokens_.skip_operator(","))
            statement->targets.push_back(tokens_.expect_name());
        if (tokens_.skip_operator("=")) {
            statement->value = expressions_.parse_tuple();
            tokens_.expect(TokenKind::BlockEnd);
            return statement;
        }
        if (tokens_.is_operator("|")) tokens_.unsupported("{% set %} with a filter", line);
        if (statement->kind != StatementKind::Set || statement->targets.size() != 1)
            tokens_.syntax("\"=\" is expected");
        statement->kind = StatementKind::SetBlock;
        statement->body = parse_block("endset");
        return statement;
    }

    StatementPtr parse_macro(int line) {
        if (loops_ > 0 || in_macro_) tokens_.unsupported("a macro inside a loop or a macro", line);
        StatementPtr statement = make(StatementKind::Macro, line);
        statement->targets.push_back(tokens_.expect_name());
        statement->keywords = expressions_.parse_parameters();
        in_macro_ = true;
        statement->body = parse_block("endmacro");
        in_macro_ = false;
        return statement;
    }

    StatementPtr parse_jump(const std::string& tag, int line) {
        if (loops_ == 0) tokens_.syntax("{% " + tag + " %} outside of a loop");
        tokens_.expect(TokenKind::BlockEnd);
        return make(tag == "break" ? StatementKind::Break : StatementKind::Continue, line);
    }

    TokenStream tokens_;
    ExpressionParser expressions_;
    uint32_t nesting_ = 0;
    uint32_t loops_ = 0;
    bool in_macro_ = false;
};

} // namespace

std::shared_ptr<const Program> parse(std::string_view source, const std::string& name) {
    if (source.size() > source_max)
        fail(STEER_ERR_FORMAT, "{}: a chat template of {} bytes, allowed are {}", name, source.size(), source_max);
    if (!is_valid_utf8(source)) fail(STEER_ERR_FORMAT, "{}: the chat template is not UTF-8", name);
    auto program = std::make_shared<Program>();
    program->name = name;
    program->source = source;
    program->body = Parser(TokenStream(tokenize(source, program->name), program->name)).parse_all();
    return program;
}

} // namespace steer::jinja
