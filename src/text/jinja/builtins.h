// Filters, tests, methods and functions that templates may call.
#pragma once

#include "text/jinja/runtime.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace steer::jinja {

struct Arguments {
    std::vector<Value> list;
    std::vector<std::pair<std::string_view, Value>> named;
};

inline constexpr size_t parameters_max = 3;

// A built-in with its parameters' names, and a call of it: args[i] is the i-th parameter, nullptr where it is not
// given.
struct Call {
    Runtime& run;
    const Value& input;
    const Value* args[parameters_max];
};
struct Builtin {
    std::string_view name;
    std::string_view parameters[parameters_max];
    Value (*body)(Call& call);
};
Value invoke(Runtime& run, const Builtin& builtin, const Value& input, const Arguments& arguments);

bool has_filter(std::string_view name);
bool has_test(std::string_view name);
Value apply_filter(Runtime& run, std::string_view name, const Value& input, const Arguments& arguments);
bool apply_test(Runtime& run, std::string_view name, const Value& input, const Arguments& arguments);

bool has_method(const Value& self, std::string_view name); // as Python's str and dict have, callable here or not
Value call_method(Runtime& run, const Method& method, const Arguments& arguments);

// Of one argument: STEER_ERR_ARG where it is missing or no text.
const Text& text_argument(Call& call, size_t index, const char* what);
const Text& text_input(Call& call, const char* what);

} // namespace steer::jinja
