#include "text/jinja/evaluator.h"

#include "files/quote.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"

#include <algorithm>

namespace steer::jinja {
namespace {

template<class Scope>
auto find_in(Scope& scope, std::string_view name) -> decltype(&scope[0].second) {
    for (auto& [key, value] : scope) {
        if (key == name) return &value;
    }
    return nullptr;
}

} // namespace

void Evaluator::set(std::string_view name, Value value) {
    Scope& scope = scopes_.back();
    run_.charge_search(scope.size(), name.size());
    if (Value* known = find_in(scope, name)) {
        *known = std::move(value);
    } else {
        scope.emplace_back(name, std::move(value));
    }
}

Value Evaluator::look_up(const std::string& name) {
    for (size_t i = scopes_.size(); i-- > visible_from_;) {
        run_.charge_search(scopes_[i].size(), name.size());
        if (const Value* found = find_in(scopes_[i], name)) return *found;
    }
    run_.charge_search(scopes_[0].size(), name.size());
    if (const Value* found = find_in(scopes_[0], name)) return *found;
    if (name == "namespace") return Function::Namespace;
    if (name == "range") return Function::Range;
    if (name == "dict") return Function::Dict;
    if (name == "raise_exception") return Function::RaiseException;
    return Undefined{&name};
}

Value Evaluator::evaluate(const Expression& node) {
    Depth guard(*this);
    run_.charge(1);
    run_.line = node.line;
    switch (node.kind) {
    case ExpressionKind::Constant:
        return node.constant;
    case ExpressionKind::Name:
        return look_up(node.name);
    case ExpressionKind::List:
    case ExpressionKind::Tuple:
        return evaluate_items(node);
    case ExpressionKind::Dict:
        return evaluate_dict(node);
    case ExpressionKind::Attribute:
        return evaluate_attribute(node);
    case ExpressionKind::Item:
    case ExpressionKind::Slice:
        return evaluate_subscript(node);
    case ExpressionKind::Call:
        return evaluate_call(node);
    case ExpressionKind::Filter:
    case ExpressionKind::Test:
        return evaluate_filter(node);
    case ExpressionKind::Not:
        return !is_true(evaluate(*node.args[0]));
    case ExpressionKind::Negative:
        return negate(run_, evaluate(*node.args[0]));
    case ExpressionKind::Positive:
        return evaluate(*node.args[0]);
    case ExpressionKind::Compare:
        return evaluate_compare(node);
    case ExpressionKind::Concat:
        return evaluate_concat(node);
    case ExpressionKind::Conditional:
        if (is_true(evaluate(*node.args[0]))) return evaluate(*node.args[1]);
        return node.args[2] ? evaluate(*node.args[2]) : Value(Undefined{});
    case ExpressionKind::And:
    case ExpressionKind::Or:
    case ExpressionKind::Arithmetic:
        return evaluate_binary(node);
    }
    return Undefined{};
}

Value Evaluator::evaluate_items(const Expression& node) {
    std::vector<Value> items;
    for (const ExpressionPtr& arg : node.args) items.push_back(evaluate(*arg));
    return make_list(std::move(items), node.kind == ExpressionKind::Tuple);
}

Value Evaluator::evaluate_dict(const Expression& node) {
    std::vector<std::pair<TextPtr, Value>> entries;
    for (size_t i = 0; i + 1 < node.args.size(); i += 2) {
        Value key = evaluate(*node.args[i]);
        if (!as_text(key)) run_.unsupported("a dictionary key that is no string");
        Value value = evaluate(*node.args[i + 1]);
        run_.charge_search(entries.size(), as_text(key)->size());
        auto known = std::find_if(entries.begin(), entries.end(),
                                  [&](const auto& entry) { return entry.first->bytes == as_text(key)->bytes; });
        if (known != entries.end()) {
            known->second = std::move(value);
        } else {
            entries.emplace_back(std::get<TextPtr>(key), std::move(value));
        }
    }
    return make_dict(std::move(entries));
}

Value Evaluator::evaluate_attribute(const Expression& node) {
    Value object = evaluate(*node.args[0]);
    run_.line = node.line;
    if (auto space = std::get_if<Namespace>(&object)) {
        run_.charge_search(namespaces_[space->index].size(), node.name.size());
        const Value* found = find_in(namespaces_[space->index], node.name);
        return found ? *found : Value(Undefined{&node.name});
    }
    return get_attribute(run_, object, node.name);
}

Value Evaluator::evaluate_subscript(const Expression& node) {
    Value object = evaluate(*node.args[0]);
    if (node.kind == ExpressionKind::Item) return get_item(run_, object, evaluate(*node.args[1]));
    Value bounds[3];
    const Value* given[3] = {};
    for (size_t i = 0; i < 3; ++i) {
        if (!node.args[i + 1]) continue;
        bounds[i] = evaluate(*node.args[i + 1]);
        given[i] = &bounds[i];
    }
    return get_slice(run_, object, given[0], given[1], given[2]);
}

Arguments Evaluator::evaluate_arguments(const Expression& node) {
    Arguments arguments;
    for (size_t i = 1; i < node.args.size(); ++i) arguments.list.push_back(evaluate(*node.args[i]));
    for (const Keyword& keyword : node.keywords) arguments.named.emplace_back(keyword.name, evaluate(*keyword.value));
    return arguments;
}

Value Evaluator::evaluate_call(const Expression& node) {
    Value callee = evaluate(*node.args[0]);
    Arguments arguments = evaluate_arguments(node);
    run_.line = node.line;
    if (is<Undefined>(callee)) fail_undefined_call(*node.args[0]);
    return call(callee, arguments);
}

Value Evaluator::evaluate_filter(const Expression& node) {
    Value input = evaluate(*node.args[0]);
    Arguments arguments = evaluate_arguments(node);
    run_.line = node.line;
    if (node.kind == ExpressionKind::Test) return apply_test(run_, node.name, input, arguments);
    return apply_filter(run_, node.name, input, arguments);
}

Value Evaluator::evaluate_compare(const Expression& node) {
    Value left = evaluate(*node.args[0]);
    for (size_t i = 0; i < node.operators.size(); ++i) {
        Value right = evaluate(*node.args[i + 1]);
        run_.line = node.line;
        if (!compare(run_, node.operators[i], left, right)) return false;
        left = std::move(right);
    }
    return true;
}

Value Evaluator::evaluate_binary(const Expression& node) {
    Value left = evaluate(*node.args[0]);
    if (node.kind == ExpressionKind::And) return is_true(left) ? evaluate(*node.args[1]) : left;
    if (node.kind == ExpressionKind::Or) return is_true(left) ? left : evaluate(*node.args[1]);
    Value right = evaluate(*node.args[1]);
    run_.line = node.line;
    return arithmetic(run_, node.operators[0], left, right);
}

Value Evaluator::evaluate_concat(const Expression& node) {
    Text out;
    for (const ExpressionPtr& arg : node.args) append_str(run_, evaluate(*arg), out);
    return make_text(std::move(out));
}

void Evaluator::fail_undefined_call(const Expression& callee) const {
    if (callee.kind == ExpressionKind::Name) run_.unsupported("the function \"" + callee.name + "\"");
    run_.error("\"{}\" is called but undefined; is a message's content missing?", callee.name);
}

Value Evaluator::call(const Value& callee, const Arguments& arguments) {
    if (auto macro = std::get_if<Macro>(&callee)) return call_macro(*macro->definition, arguments);
    if (auto method = std::get_if<std::shared_ptr<const Method>>(&callee))
        return call_method(run_, **method, arguments);
    if (auto function = std::get_if<Function>(&callee)) return call_function(*function, arguments);
    run_.error("a value of type {} cannot be called", type_name(callee));
}

Value Evaluator::call_function(Function function, const Arguments& arguments) {
    if (function == Function::Namespace) return make_namespace(arguments);
    if (function == Function::RaiseException) {
        std::string words = arguments.list.empty() ? std::string() : to_str(run_, arguments.list[0]).bytes;
        run_.error("the template refuses this conversation: {}", quote(words, 160));
    }
    if (function == Function::Dict) {
        if (!arguments.list.empty()) run_.unsupported("dict() of a value");
        std::vector<std::pair<TextPtr, Value>> entries;
        for (const auto& [name, value] : arguments.named)
            entries.emplace_back(std::make_shared<const Text>(name, Origin::Template), value);
        return make_dict(std::move(entries));
    }
    int64_t bounds[3] = {0, 0, 1};
    size_t count = arguments.list.size();
    for (size_t i = 0; i < count && i < 3; ++i) {
        const int64_t* number = std::get_if<int64_t>(&arguments.list[i]);
        if (!number || std::abs(*number) > int64_t{1} << 40) run_.error("range: a whole number is needed");
        bounds[count == 1 ? 1 : i] = *number;
    }
    if (count < 1 || count > 3 || bounds[2] == 0 || !arguments.named.empty())
        run_.error("range: one to three numbers, the step not 0");
    std::vector<Value> numbers;
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1]; i += bounds[2]) {
        if (numbers.size() >= range_max) run_.error("range: more than {} numbers", range_max);
        numbers.emplace_back(i);
    }
    run_.charge_items(numbers.size());
    return make_list(std::move(numbers));
}

Value Evaluator::make_namespace(const Arguments& arguments) {
    if (!arguments.list.empty()) run_.unsupported("namespace() of a value");
    namespaces_.emplace_back();
    Value space = Namespace{namespaces_.size() - 1};
    for (const auto& [name, value] : arguments.named) set_member(space, name, value);
    return space;
}

void Evaluator::set_member(const Value& space, std::string_view name, Value value) {
    const Namespace* target = std::get_if<Namespace>(&space);
    if (!target) run_.error("only members of a namespace can be set, found {}", type_name(space));
    Scope& members = namespaces_[target->index];
    run_.charge_search(members.size(), name.size());
    if (Value* known = find_in(members, name)) {
        *known = std::move(value);
    } else {
        members.emplace_back(name, std::move(value));
    }
}

} // namespace steer::jinja
