// Values of a template: Python's, as far as chat templates use them. All immutable but namespaces, which the
// interpreter owns; so no value can hold itself, and none is nested deeper than depth_max.
#pragma once

#include "files/json.h"
#include "text/jinja/text.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace steer::jinja {

inline constexpr uint32_t depth_max = 100;

struct Statement;
struct List;
struct Dict;
struct Loop;
struct Method;

struct Undefined {
    const std::string* name = nullptr; // what was looked for; lives in the program
};
struct None {};
struct Namespace {
    size_t index; // in the interpreter
};
struct Macro {
    const Statement* definition;
};
enum class Function : uint8_t { Namespace, Range, Dict, RaiseException };

using TextPtr = std::shared_ptr<const Text>;
using ListPtr = std::shared_ptr<const List>;
using DictPtr = std::shared_ptr<const Dict>;
using Value = std::variant<Undefined, None, bool, int64_t, double, TextPtr, ListPtr, DictPtr,
                           std::shared_ptr<const Loop>, std::shared_ptr<const Method>, Namespace, Macro, Function>;

struct List {
    std::vector<Value> items;
    uint32_t depth = 1;
    bool tuple = false;
};
struct Dict {
    std::vector<std::pair<TextPtr, Value>> entries; // keys are strings, in order
    uint32_t depth = 1;
};
struct Loop { // what `loop` is in one round
    ListPtr items;
    size_t index;
};
struct Method { // "text.strip", before it is called
    Value self;
    std::string name;
};

template<class T>
bool is(const Value& value) {
    return std::holds_alternative<T>(value);
}
inline const Text* as_text(const Value& value) {
    const TextPtr* text = std::get_if<TextPtr>(&value);
    return text ? text->get() : nullptr;
}
inline const List* as_list(const Value& value) {
    const ListPtr* list = std::get_if<ListPtr>(&value);
    return list ? list->get() : nullptr;
}
inline const Dict* as_dict(const Value& value) {
    const DictPtr* dict = std::get_if<DictPtr>(&value);
    return dict ? dict->get() : nullptr;
}

uint32_t depth_of(const Value& value);
Value make_text(Text text);
Value make_text(std::string_view text, Origin origin);
Value make_list(std::vector<Value> items, bool tuple = false);   // STEER_ERR_ARG above depth_max
Value make_dict(std::vector<std::pair<TextPtr, Value>> entries); // the same
Value from_json(const Json& json, Origin origin);

const char* type_name(const Value& value); // as Python calls it
bool is_true(const Value& value);

} // namespace steer::jinja
