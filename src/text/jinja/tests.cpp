// What may stand after "is".
#include "files/quote.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"

#include <algorithm>

namespace steer::jinja {
namespace {

bool is_number(const Value& value) { return is<bool>(value) || is<int64_t>(value) || is<double>(value); }

int64_t whole(Call& call, const Value* value) {
    if (!value || !(is<int64_t>(*value) || is<bool>(*value))) call.run.error("this test needs a whole number");
    return is<bool>(*value) ? std::get<bool>(*value) : std::get<int64_t>(*value);
}

template<const char* Symbol>
Value compares(Call& call) {
    if (!call.args[0]) call.run.error("the test needs something to compare with");
    return compare(call.run, Symbol, call.input, *call.args[0]);
}
constexpr char eq[] = "==", ne[] = "!=", lt[] = "<", le[] = "<=", gt[] = ">", ge[] = ">=", in[] = "in";

bool has_items(const Value& value) { return as_text(value) || as_list(value) || as_dict(value); }

constexpr Builtin tests[] = {
    {"defined", {}, [](Call& c) -> Value { return !is<Undefined>(c.input); }},
    {"undefined", {}, [](Call& c) -> Value { return is<Undefined>(c.input); }},
    {"none", {}, [](Call& c) -> Value { return is<None>(c.input); }},
    {"string", {}, [](Call& c) -> Value { return as_text(c.input) != nullptr; }},
    {"mapping", {}, [](Call& c) -> Value { return as_dict(c.input) != nullptr; }},
    {"sequence", {}, [](Call& c) -> Value { return has_items(c.input) || is<Undefined>(c.input); }},
    {"iterable", {}, [](Call& c) -> Value { return has_items(c.input) || is<Undefined>(c.input); }},
    {"number", {}, [](Call& c) -> Value { return is_number(c.input); }},
    {"integer", {}, [](Call& c) -> Value { return is<int64_t>(c.input); }},
    {"float", {}, [](Call& c) -> Value { return is<double>(c.input); }},
    {"boolean", {}, [](Call& c) -> Value { return is<bool>(c.input); }},
    {"true", {}, [](Call& c) -> Value { return is<bool>(c.input) && std::get<bool>(c.input); }},
    {"false", {}, [](Call& c) -> Value { return is<bool>(c.input) && !std::get<bool>(c.input); }},
    {"callable",
     {},
     [](Call& c) -> Value {
         return c.input.index() >= Value(Macro{}).index() || type_name(c.input) == std::string("method");
     }},
    {"odd", {}, [](Call& c) -> Value { return whole(c, &c.input) % 2 != 0; }},
    {"even", {}, [](Call& c) -> Value { return whole(c, &c.input) % 2 == 0; }},
    {"divisibleby",
     {"num"},
     [](Call& c) -> Value {
         return std::get<int64_t>(arithmetic(c.run, "%", whole(c, &c.input), whole(c, c.args[0]))) == 0;
     }},
    {"eq", {"other"}, compares<eq>},
    {"equalto", {"other"}, compares<eq>},
    {"ne", {"other"}, compares<ne>},
    {"lt", {"other"}, compares<lt>},
    {"lessthan", {"other"}, compares<lt>},
    {"le", {"other"}, compares<le>},
    {"gt", {"other"}, compares<gt>},
    {"greaterthan", {"other"}, compares<gt>},
    {"ge", {"other"}, compares<ge>},
    {"in", {"seq"}, compares<in>},
};

const Builtin* find_test(std::string_view name) {
    auto found =
        std::find_if(std::begin(tests), std::end(tests), [&](const Builtin& test) { return test.name == name; });
    return found == std::end(tests) ? nullptr : found;
}

} // namespace

bool has_test(std::string_view name) { return find_test(name) != nullptr; }

bool apply_test(Runtime& run, std::string_view name, const Value& input, const Arguments& arguments) {
    const Builtin* test = find_test(name);
    if (!test) run.unsupported(fmt::format("the test {}", quote(name)));
    return std::get<bool>(invoke(run, *test, input, arguments));
}

} // namespace steer::jinja
