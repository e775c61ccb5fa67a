#include "text/jinja/value.h"

#include "files/error.h"

#include <algorithm>

namespace steer::jinja {

uint32_t depth_of(const Value& value) {
    if (const List* list = as_list(value)) return list->depth;
    if (const Dict* dict = as_dict(value)) return dict->depth;
    if (auto loop = std::get_if<std::shared_ptr<const Loop>>(&value)) return (*loop)->items->depth + 1;
    if (auto method = std::get_if<std::shared_ptr<const Method>>(&value)) return depth_of((*method)->self) + 1;
    return 0;
}

namespace {

uint32_t deeper(uint32_t depth, const Value& value) {
    uint32_t sum = std::max(depth, depth_of(value) + 1);
    if (sum > depth_max) fail(STEER_ERR_ARG, "chat template: a value is nested deeper than {} levels", depth_max);
    return sum;
}

} // namespace

Value make_text(Text text) {
    if (text.size() > 4096) text = Text(text); // it may be kept for long: a copy holds no more than it needs
    return std::make_shared<const Text>(std::move(text));
}
Value make_text(std::string_view text, Origin origin) { return std::make_shared<const Text>(text, origin); }

Value make_list(std::vector<Value> items, bool tuple) {
    uint32_t depth = 1;
    for (const Value& item : items) depth = deeper(depth, item);
    return std::make_shared<const List>(List{std::move(items), depth, tuple});
}

Value make_dict(std::vector<std::pair<TextPtr, Value>> entries) {
    uint32_t depth = 1;
    for (const auto& [key, value] : entries) depth = deeper(depth, value);
    return std::make_shared<const Dict>(Dict{std::move(entries), depth});
}

Value from_json(const Json& json, Origin origin) {
    switch (json.type()) {
    case Json::value_t::boolean:
        return json.get<bool>();
    case Json::value_t::number_float:
        return json.get<double>();
    case Json::value_t::string:
        return make_text(json.get_ref<const std::string&>(), origin);
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
        if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
            fail(STEER_ERR_ARG, "chat: the number {} is too large for a template", json.get<uint64_t>());
        }
        return json.get<int64_t>();
    case Json::value_t::array: {
        std::vector<Value> items;
        for (const Json& item : json) items.push_back(from_json(item, origin));
        return make_list(std::move(items));
    }
    case Json::value_t::object: {
        std::vector<std::pair<TextPtr, Value>> entries;
        for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) {
            entries.emplace_back(std::make_shared<const Text>(key, origin), from_json(value, origin));
        }
        return make_dict(std::move(entries));
    }
    default:
        return None{};
    }
}

const char* type_name(const Value& value) {
    static constexpr const char* names[] = {"undefined", "None", "bool",   "int",       "float", "str",     "list",
                                            "dict",      "loop", "method", "namespace", "macro", "function"};
    return names[value.index()];
}

bool is_true(const Value& value) {
    if (is<Undefined>(value) || is<None>(value)) return false;
    if (auto truth = std::get_if<bool>(&value)) return *truth;
    if (auto number = std::get_if<int64_t>(&value)) return *number != 0;
    if (auto number = std::get_if<double>(&value)) return *number != 0.0;
    if (const Text* text = as_text(value)) return text->size() > 0;
    if (const List* list = as_list(value)) return !list->items.empty();
    if (const Dict* dict = as_dict(value)) return !dict->entries.empty();
    return true;
}

} // namespace steer::jinja
