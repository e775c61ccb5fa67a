// Methods of strings and dictionaries. Python has more; those are known by name, so that "x.items" of a dictionary that
// holds a key "items" means what it means in Python.
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_operations.h"

#include <algorithm>

namespace steer::jinja {
namespace {

int64_t count_argument(Call& call, size_t index, int64_t absent) {
    if (!call.args[index]) return absent;
    if (!is<int64_t>(*call.args[index]))
        call.run.error("a method needs a whole number, found {}", type_name(*call.args[index]));
    return std::get<int64_t>(*call.args[index]);
}

const Text* optional_text(Call& call, size_t index, const char* what) {
    bool absent = !call.args[index] || is<None>(*call.args[index]);
    return absent ? nullptr : &text_argument(call, index, what);
}

template<Side Where>
Value strip_method(Call& call) {
    return make_text(strip(call.run, text_input(call, "strip"), optional_text(call, 0, "strip"), Where));
}
template<Case Wanted>
Value case_method(Call& call) {
    return make_text(change_case(call.run, text_input(call, "upper"), Wanted));
}

Value starts_with(Call& call) {
    const Text &text = text_input(call, "startswith"), &prefix = text_argument(call, 0, "startswith");
    call.run.charge_text(prefix.size());
    return text.bytes.starts_with(prefix.bytes);
}
Value ends_with(Call& call) {
    const Text &text = text_input(call, "endswith"), &suffix = text_argument(call, 0, "endswith");
    call.run.charge_text(suffix.size());
    return text.bytes.ends_with(suffix.bytes);
}

Value split_method(Call& call) {
    return make_list(
        split(call.run, text_input(call, "split"), optional_text(call, 0, "split"), count_argument(call, 1, -1)));
}
Value split_lines_method(Call& call) { return make_list(split_lines(call.run, text_input(call, "splitlines"))); }

Value replace_method(Call& call) {
    return make_text(replace(call.run, text_input(call, "replace"), text_argument(call, 0, "replace"),
                             text_argument(call, 1, "replace"), count_argument(call, 2, -1)));
}
Value join_method(Call& call) {
    if (!call.args[0]) call.run.error("join needs something to join");
    return make_text(join(call.run, text_input(call, "join"), iterate(call.run, *call.args[0]), false));
}
Value find_method(Call& call) {
    const Text& text = text_input(call, "find");
    auto at = find_text(call.run, text, text_argument(call, 0, "find"), 0);
    if (!at) return int64_t{-1};
    return static_cast<int64_t>(std::count_if(text.bytes.begin(), text.bytes.begin() + static_cast<std::ptrdiff_t>(*at),
                                              [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

constexpr Builtin text_methods[] = {
    {"strip", {"chars"}, strip_method<Side::Both>},
    {"lstrip", {"chars"}, strip_method<Side::Left>},
    {"rstrip", {"chars"}, strip_method<Side::Right>},
    {"upper", {}, case_method<Case::Upper>},
    {"lower", {}, case_method<Case::Lower>},
    {"capitalize", {}, case_method<Case::Capitalize>},
    {"startswith", {"prefix"}, starts_with},
    {"endswith", {"suffix"}, ends_with},
    {"split", {"sep", "maxsplit"}, split_method},
    {"splitlines", {}, split_lines_method},
    {"replace", {"old", "new", "count"}, replace_method},
    {"join", {"iterable"}, join_method},
    {"find", {"sub"}, find_method},
};

constexpr std::string_view other_text_methods[] = {
    "casefold",   "center",    "count",        "encode",       "expandtabs", "format",  "format_map",
    "index",      "isalnum",   "isalpha",      "isascii",      "isdecimal",  "isdigit", "isidentifier",
    "islower",    "isnumeric", "isprintable",  "isspace",      "istitle",    "isupper", "ljust",
    "maketrans",  "partition", "removeprefix", "removesuffix", "rfind",      "rindex",  "rjust",
    "rpartition", "rsplit",    "swapcase",     "title",        "translate",  "zfill"};

Value items_method(Call& call) { return apply_filter(call.run, "items", call.input, {}); }
Value keys_method(Call& call) { return make_list(iterate(call.run, call.input)); }
Value values_method(Call& call) {
    std::vector<Value> values;
    call.run.charge(as_dict(call.input)->entries.size());
    for (const auto& [key, value] : as_dict(call.input)->entries) values.push_back(value);
    return make_list(std::move(values));
}
Value get_method(Call& call) {
    const Text* key = call.args[0] ? as_text(*call.args[0]) : nullptr;
    const Value* found = key ? find_key(call.run, *as_dict(call.input), key->bytes) : nullptr;
    if (found) return *found;
    return call.args[1] ? *call.args[1] : Value(None{});
}

constexpr Builtin dict_methods[] = {
    {"items", {}, items_method},
    {"keys", {}, keys_method},
    {"values", {}, values_method},
    {"get", {"key", "default"}, get_method},
    {"copy", {}, [](Call& call) { return call.input; }},
};
constexpr std::string_view other_dict_methods[] = {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view list_methods[] = {"append", "clear", "copy",   "count",   "extend", "index",
                                             "insert", "pop",   "remove", "reverse", "sort"};

template<class Table>
bool lists(const Table& table, std::string_view name) {
    return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

template<size_t Count>
const Builtin* find_builtin(const Builtin (&table)[Count], std::string_view name) {
    auto found = std::find_if(std::begin(table), std::end(table), [&](const Builtin& one) { return one.name == name; });
    return found == std::end(table) ? nullptr : found;
}

} // namespace

bool has_method(const Value& self, std::string_view name) {
    if (as_text(self)) return find_builtin(text_methods, name) || lists(other_text_methods, name);
    if (as_dict(self)) return find_builtin(dict_methods, name) || lists(other_dict_methods, name);
    if (as_list(self)) return lists(list_methods, name);
    return false;
}

Value call_method(Runtime& run, const Method& method, const Arguments& arguments) {
    const Builtin* body = as_text(method.self)   ? find_builtin(text_methods, method.name)
                          : as_dict(method.self) ? find_builtin(dict_methods, method.name)
                                                 : nullptr;
    if (!body) run.unsupported(fmt::format("the method {}.{}()", type_name(method.self), method.name));
    return invoke(run, *body, method.self, arguments);
}

} // namespace steer::jinja
