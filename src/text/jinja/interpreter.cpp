#include "text/jinja/interpreter.h"

#include "text/jinja/evaluator.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"

namespace steer::jinja {
namespace {

class Interpreter final : public Evaluator {
  public:
    explicit Interpreter(const Program& program) : Evaluator(program.name), program_(program) {}

    Text run() {
        execute(program_.body);
        return std::move(out_);
    }

  private:
    enum class Flow { Next, Break, Continue };

    class NewScope {
      public:
        explicit NewScope(Interpreter& interpreter) : interpreter_(interpreter) { interpreter_.scopes_.emplace_back(); }
        ~NewScope() { interpreter_.scopes_.pop_back(); }

      private:
        Interpreter& interpreter_;
    };

    Flow execute(const Body& body) {
        for (const StatementPtr& statement : body) {
            if (Flow flow = execute(*statement); flow != Flow::Next) return flow;
        }
        return Flow::Next;
    }

    Flow execute(const Statement& statement) {
        Depth guard(*this);
        run_.charge(1);
        run_.line = statement.line;
        switch (statement.kind) {
        case StatementKind::Text:
            print(*statement.text);
            break;
        case StatementKind::Print:
            append_str(run_, evaluate(*statement.value), out_);
            break;
        case StatementKind::If:
            return execute_if(statement);
        case StatementKind::For:
            return execute_for(statement);
        case StatementKind::Set:
            assign(statement, evaluate(*statement.value));
            break;
        case StatementKind::SetBlock:
            set(statement.targets[0], capture(statement.body));
            break;
        case StatementKind::SetMember:
            execute_set_member(statement);
            break;
        case StatementKind::Macro:
            set(statement.targets[0], Macro{&statement});
            break;
        case StatementKind::Group:
            return execute(statement.body);
        case StatementKind::Break:
            return Flow::Break;
        case StatementKind::Continue:
            return Flow::Continue;
        }
        return Flow::Next;
    }

    void print(const Text& text) {
        run_.charge_text(text.size());
        if (out_.size() + text.size() > text_max) run_.error("the output grows beyond {} bytes", text_max);
        out_.append(text);
    }

    Flow execute_if(const Statement& statement) {
        for (const Branch& branch : statement.branches) {
            if (is_true(evaluate(*branch.condition))) return execute(branch.body);
        }
        return execute(statement.otherwise);
    }

    Flow execute_for(const Statement& statement) {
        ListPtr items = loop_items(statement);
        if (items->items.empty()) return execute(statement.otherwise);
        for (size_t i = 0; i < items->items.size(); ++i) {
            NewScope scope(*this);
            run_.line = statement.line;
            assign(statement, items->items[i]);
            set("loop", std::make_shared<const Loop>(Loop{items, i}));
            if (execute(statement.body) == Flow::Break) break;
        }
        return Flow::Next;
    }

    ListPtr loop_items(const Statement& statement) {
        std::vector<Value> items = iterate(run_, evaluate(*statement.value));
        if (!statement.condition) return std::get<ListPtr>(make_list(std::move(items)));
        std::vector<Value> kept;
        for (Value& item : items) {
            NewScope scope(*this);
            assign(statement, item);
            if (is_true(evaluate(*statement.condition))) kept.push_back(std::move(item));
        }
        return std::get<ListPtr>(make_list(std::move(kept)));
    }

    void assign(const Statement& statement, const Value& value) {
        if (statement.targets.size() == 1) return set(statement.targets[0], value);
        std::vector<Value> parts = iterate(run_, value);
        if (parts.size() != statement.targets.size()) {
            run_.error("{} names for {} values", statement.targets.size(), parts.size());
        }
        for (size_t i = 0; i < parts.size(); ++i) set(statement.targets[i], std::move(parts[i]));
    }

    void execute_set_member(const Statement& statement) {
        Value value = evaluate(*statement.value);
        Expression space{ExpressionKind::Name, statement.line, 1, statement.targets[0], {}, {}, {}, {}};
        set_member(evaluate(space), statement.targets[1], std::move(value));
    }

    Value capture(const Body& body) {
        Text outer = std::move(out_);
        out_ = Text();
        execute(body);
        Value text = make_text(std::move(out_));
        out_ = std::move(outer);
        return text;
    }

    Value call_macro(const Statement& macro, const Arguments& arguments) override {
        size_t visible = visible_from_;
        visible_from_ = scopes_.size();
        NewScope scope(*this);
        bind_parameters(macro, arguments);
        Value text = capture(macro.body);
        visible_from_ = visible;
        return text;
    }

    void bind_parameters(const Statement& macro, const Arguments& arguments) {
        const auto& parameters = macro.keywords;
        const std::string& name = macro.targets[0];
        if (arguments.list.size() > parameters.size())
            run_.error("macro \"{}\" takes {} arguments", name, parameters.size());
        for (const auto& [key, value] : arguments.named) {
            run_.charge_search(parameters.size(), key.size());
            size_t place = 0;
            while (place < parameters.size() && parameters[place].name != key) ++place;
            if (place == parameters.size()) run_.error("macro \"{}\" has no argument \"{}\"", name, key);
            if (place < arguments.list.size())
                run_.error("macro \"{}\": the argument \"{}\" is given twice", name, key);
            set(parameters[place].name, value);
        }
        for (size_t i = 0; i < parameters.size(); ++i) {
            if (i < arguments.list.size()) {
                set(parameters[i].name, arguments.list[i]);
            } else if (!is_set(parameters[i].name)) {
                set(parameters[i].name,
                    parameters[i].value ? evaluate(*parameters[i].value) : Value(Undefined{&parameters[i].name}));
            }
        }
    }

    bool is_set(std::string_view name) {
        run_.charge_search(scopes_.back().size(), name.size());
        for (const auto& [key, value] : scopes_.back()) {
            if (key == name) return true;
        }
        return false;
    }

    const Program& program_;
    Text out_;
};

} // namespace

Text render(const Program& program, const Variables& variables) {
    Interpreter interpreter(program);
    for (const auto& [name, value] : variables) interpreter.set(name, value);
    return interpreter.run();
}

} // namespace steer::jinja
