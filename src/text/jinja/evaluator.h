// Scopes, and the evaluation of expressions in them.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/builtins.h"
#include "text/jinja/runtime.h"

#include <string_view>
#include <utility>
#include <vector>

namespace steer::jinja {

class Evaluator {
  public:
    explicit Evaluator(const std::string& name) : run_(name), scopes_(1) {}
    virtual ~Evaluator() = default;

    void set(std::string_view name, Value value); // in the innermost scope; the name must live as long as the evaluator

  protected:
    class Depth { // limits how deep evaluation may recurse
      public:
        explicit Depth(Evaluator& evaluator) : evaluator_(evaluator) {
            if (++evaluator_.depth_ > recursion_max) evaluator_.run_.error("calls are nested too deeply");
        }
        ~Depth() { --evaluator_.depth_; }

      private:
        Evaluator& evaluator_;
    };
    using Scope = std::vector<std::pair<std::string_view, Value>>;

    virtual Value call_macro(const Statement& macro, const Arguments& arguments) = 0;

    Value evaluate(const Expression& node);
    void set_member(const Value& space, std::string_view name, Value value);

    Runtime run_;
    std::vector<Scope> scopes_;
    size_t visible_from_ = 1; // inside a macro: its own scopes and the outermost

  private:
    Value look_up(const std::string& name);
    Value evaluate_items(const Expression& node);
    Value evaluate_dict(const Expression& node);
    Value evaluate_attribute(const Expression& node);
    Value evaluate_subscript(const Expression& node);
    Value evaluate_call(const Expression& node);
    Value evaluate_filter(const Expression& node);
    Value evaluate_compare(const Expression& node);
    Value evaluate_binary(const Expression& node);
    Value evaluate_concat(const Expression& node);
    [[noreturn]] void fail_undefined_call(const Expression& callee) const;
    Value call(const Value& callee, const Arguments& arguments);
    Value call_function(Function function, const Arguments& arguments);
    Value make_namespace(const Arguments& arguments);
    Arguments evaluate_arguments(const Expression& node);

    std::vector<Scope> namespaces_;
    uint32_t depth_ = 0;
};

} // namespace steer::jinja
