// What may stand after "|".
#include "files/quote.h"
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/string_operations.h"
#include "text/jinja/strings.h"
#include "files/utf8.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace steer::jinja {
namespace {

Value length(Call& call) {
    if (const Text* text = as_text(call.input)) {
        call.run.charge_text(text->size());
        return static_cast<int64_t>(count_characters(text->bytes));
    }
    if (const List* list = as_list(call.input)) return static_cast<int64_t>(list->items.size());
    if (const Dict* dict = as_dict(call.input)) return static_cast<int64_t>(dict->entries.size());
    if (is<Undefined>(call.input)) return int64_t{0};
    call.run.error("a value of type {} has no length", type_name(call.input));
}

Value tojson(Call& call) {
    const Value *ascii = call.args[0], *indent = call.args[1];
    if (ascii && is_true(*ascii)) call.run.unsupported("tojson with ensure_ascii");
    if (!indent || is<None>(*indent)) return make_text(to_json(call.run, call.input, std::nullopt));
    const int64_t* width = std::get_if<int64_t>(indent);
    if (!width || *width < 0 || *width > 16) call.run.unsupported("tojson with this indent");
    return make_text(to_json(call.run, call.input, *width));
}

Value trim(Call& call) {
    const Text* characters = call.args[0] && !is<None>(*call.args[0]) ? &text_argument(call, 0, "trim") : nullptr;
    return make_text(strip(call.run, to_str(call.run, call.input), characters, Side::Both));
}

template<Case Wanted>
Value with_case(Call& call) {
    return make_text(change_case(call.run, to_str(call.run, call.input), Wanted));
}

Value string(Call& call) { return as_text(call.input) ? call.input : make_text(to_str(call.run, call.input)); }

Value with_default(Call& call) {
    bool falsy = call.args[1] && is_true(*call.args[1]) && !is_true(call.input);
    if (!is<Undefined>(call.input) && !falsy) return call.input;
    return call.args[0] ? *call.args[0] : make_text("", Origin::Template);
}

Value list(Call& call) { return make_list(iterate(call.run, call.input)); }

Value first(Call& call) {
    std::vector<Value> items = iterate(call.run, call.input);
    return items.empty() ? Value(Undefined{}) : items.front();
}

Value last(Call& call) {
    std::vector<Value> items = iterate(call.run, call.input);
    return items.empty() ? Value(Undefined{}) : items.back();
}

Value reverse(Call& call) {
    if (as_text(call.input)) {
        Value step = int64_t{-1};
        return get_slice(call.run, call.input, nullptr, nullptr, &step);
    }
    std::vector<Value> items = iterate(call.run, call.input);
    std::reverse(items.begin(), items.end());
    return make_list(std::move(items));
}

Value items(Call& call) {
    std::vector<Value> pairs;
    const Dict* dict = as_dict(call.input);
    if (!dict && !is<Undefined>(call.input))
        call.run.error("items: a value of type {} has none", type_name(call.input));
    if (dict) {
        call.run.charge(dict->entries.size() * 2);
        for (const auto& [key, value] : dict->entries) pairs.push_back(make_list({key, value}, true));
    }
    return make_list(std::move(pairs));
}

// "a.b.0" looked up part by part, as map(attribute=...) does
Value get_path(Runtime& run, Value item, const Value& path) {
    const Text* text = as_text(path);
    if (!text) return get_item(run, item, path);
    size_t from = 0;
    for (;;) {
        size_t dot = std::min(text->bytes.find('.', from), text->size());
        std::string_view part = std::string_view(text->bytes).substr(from, dot - from);
        bool digits = !part.empty() && part.size() < 10 &&
                      std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
        int64_t index = 0;
        if (digits) std::from_chars(part.data(), part.data() + part.size(), index);
        item = get_item(run, item, digits ? Value(index) : make_text(part, Origin::Template));
        if (dot == text->size()) return item;
        from = dot + 1;
    }
}

Value join_filter(Call& call) {
    std::vector<Value> items = iterate(call.run, call.input);
    if (call.args[1] && !is<None>(*call.args[1])) {
        for (Value& item : items) item = get_path(call.run, item, *call.args[1]);
    }
    Text separator = call.args[0] ? to_str(call.run, *call.args[0]) : Text();
    return make_text(join(call.run, separator, items, true));
}

Value replace_filter(Call& call) {
    int64_t count = -1;
    if (call.args[2] && is<int64_t>(*call.args[2])) count = std::get<int64_t>(*call.args[2]);
    return make_text(replace(call.run, to_str(call.run, call.input), text_argument(call, 0, "replace"),
                             text_argument(call, 1, "replace"), count));
}

std::optional<double> parse_number(const Text& text) {
    std::string_view bytes = strip_right(text.bytes);
    bytes.remove_prefix(leading_space(bytes));
    if (!bytes.empty() && bytes[0] == '+') bytes.remove_prefix(1);
    double number = 0.0;
    auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
    if (error != std::errc() || end != bytes.data() + bytes.size()) return std::nullopt;
    return number;
}

Value to_int(Call& call) {
    Value fallback = call.args[0] ? *call.args[0] : Value(int64_t{0});
    if (auto truth = std::get_if<bool>(&call.input)) return static_cast<int64_t>(*truth);
    if (is<int64_t>(call.input)) return call.input;
    std::optional<double> number;
    if (auto real = std::get_if<double>(&call.input)) number = *real;
    if (const Text* text = as_text(call.input)) number = parse_number(*text);
    if (!number || !std::isfinite(*number)) return fallback;
    if (std::fabs(*number) > 9e15) call.run.unsupported("int of so large a number");
    return static_cast<int64_t>(*number);
}

Value to_float(Call& call) {
    if (auto truth = std::get_if<bool>(&call.input)) return *truth ? 1.0 : 0.0;
    if (auto whole = std::get_if<int64_t>(&call.input)) return static_cast<double>(*whole);
    if (is<double>(call.input)) return call.input;
    const Text* text = as_text(call.input);
    std::optional<double> number = text ? parse_number(*text) : std::nullopt;
    return number ? Value(*number) : call.args[0] ? *call.args[0] : Value(0.0);
}

Value absolute(Call& call) {
    if (is<double>(call.input)) return std::fabs(std::get<double>(call.input));
    return compare(call.run, "<", call.input, Value(int64_t{0})) ? negate(call.run, call.input) : call.input;
}

Value indent(Call& call) {
    Text width(std::string(4, ' '), Origin::Template);
    if (call.args[0]) {
        const int64_t* count = std::get_if<int64_t>(call.args[0]);
        if (count && *count >= 0 && *count <= 256) {
            width = Text(std::string(static_cast<size_t>(*count), ' '), Origin::Template);
        } else {
            width = text_argument(call, 0, "indent");
        }
    }
    Text text = to_str(call.run, call.input), out;
    text.append("\n", Origin::Template); // as jinja2 does, for an empty last line
    std::vector<Value> lines = split_lines(call.run, text);
    bool also_first = call.args[1] && is_true(*call.args[1]), also_blank = call.args[2] && is_true(*call.args[2]);
    for (size_t i = 0; i < lines.size(); ++i) {
        const Text& line = *as_text(lines[i]);
        if (i > 0) out.append("\n", Origin::Template);
        if (i == 0 ? also_first : also_blank || line.size() > 0) out.append(width);
        out.append(line);
        call.run.charge_text(out.size() > text_max ? out.size() : line.size() + width.size());
    }
    return make_text(std::move(out));
}

constexpr Builtin filters[] = {
    {"length", {}, length},
    {"count", {}, length},
    {"tojson", {"ensure_ascii", "indent"}, tojson},
    {"trim", {"chars"}, trim},
    {"upper", {}, with_case<Case::Upper>},
    {"lower", {}, with_case<Case::Lower>},
    {"capitalize", {}, with_case<Case::Capitalize>},
    {"string", {}, string},
    {"safe", {}, string}, // nothing is escaped, so nothing needs to be marked as safe
    {"default", {"default_value", "boolean"}, with_default},
    {"d", {"default_value", "boolean"}, with_default},
    {"list", {}, list},
    {"first", {}, first},
    {"last", {}, last},
    {"reverse", {}, reverse},
    {"items", {}, items},
    {"join", {"d", "attribute"}, join_filter},
    {"replace", {"old", "new", "count"}, replace_filter},
    {"int", {"default"}, to_int},
    {"float", {"default"}, to_float},
    {"abs", {}, absolute},
    {"indent", {"width", "first", "blank"}, indent},
};

constexpr std::string_view choosing[] = {"map", "select", "reject", "selectattr", "rejectattr"};

const Builtin* find_filter(std::string_view name) {
    auto found =
        std::find_if(std::begin(filters), std::end(filters), [&](const Builtin& one) { return one.name == name; });
    return found == std::end(filters) ? nullptr : found;
}

bool is_choosing(std::string_view name) {
    return std::find(std::begin(choosing), std::end(choosing), name) != std::end(choosing);
}

std::string_view name_argument(Runtime& run, const Arguments& arguments, size_t index, std::string_view filter) {
    const Text* name = index < arguments.list.size() ? as_text(arguments.list[index]) : nullptr;
    if (!name) run.error("\"{}\" needs a name", filter);
    return name->bytes;
}

Arguments rest_of(const Arguments& arguments, size_t from) {
    Arguments rest{{}, arguments.named};
    for (size_t i = from; i < arguments.list.size(); ++i) rest.list.push_back(arguments.list[i]);
    return rest;
}

// map('trim'), map(attribute='name', default=''): a filter or a look-up for each item
Value map_filter(Runtime& run, std::vector<Value> items, const Arguments& arguments) {
    const Value *attribute = nullptr, *fallback = nullptr;
    if (arguments.list.empty()) {
        for (const auto& [name, value] : arguments.named) {
            if (name != "attribute" && name != "default")
                run.unsupported(fmt::format("map with the argument \"{}\"", name));
            (name == "attribute" ? attribute : fallback) = &value;
        }
    }
    if (!attribute) {
        std::string_view filter = name_argument(run, arguments, 0, "map");
        if (is_choosing(filter)) run.unsupported(fmt::format("map with the filter {}", quote(filter)));
        Arguments rest = rest_of(arguments, 1);
        for (Value& item : items) item = apply_filter(run, filter, item, rest);
        return make_list(std::move(items));
    }
    for (Value& item : items) {
        item = get_path(run, item, *attribute);
        if (is<Undefined>(item) && fallback) item = *fallback;
    }
    return make_list(std::move(items));
}

// select('string'), rejectattr('role', 'equalto', 'tool'): the items for which a test holds, or does not
Value choose(Runtime& run, std::string_view filter, const std::vector<Value>& items, const Arguments& arguments) {
    bool wanted = filter.starts_with("select"), by_attribute = filter.ends_with("attr");
    size_t skipped = by_attribute ? 1 : 0;
    if (by_attribute) name_argument(run, arguments, 0, filter);
    bool tested = arguments.list.size() > skipped;
    Arguments rest = rest_of(arguments, skipped + 1);
    std::vector<Value> kept;
    for (const Value& item : items) {
        run.charge(1);
        Value subject = by_attribute ? get_path(run, item, arguments.list[0]) : item;
        bool holds =
            tested ? apply_test(run, name_argument(run, arguments, skipped, filter), subject, rest) : is_true(subject);
        if (holds == wanted) kept.push_back(item);
    }
    return make_list(std::move(kept));
}

} // namespace

bool has_filter(std::string_view name) { return find_filter(name) || is_choosing(name); }

Value apply_filter(Runtime& run, std::string_view name, const Value& input, const Arguments& arguments) {
    run.charge(1);
    if (const Builtin* filter = find_filter(name)) return invoke(run, *filter, input, arguments);
    if (!is_choosing(name)) run.unsupported(fmt::format("the filter {}", quote(name)));
    std::vector<Value> items = iterate(run, input);
    return name == "map" ? map_filter(run, std::move(items), arguments) : choose(run, name, items, arguments);
}

} // namespace steer::jinja
