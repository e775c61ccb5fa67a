#include "files/json_value.h"

#include "files/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace steer {
namespace {

// Strings and numbers as nlohmann writes them: these values hold no memory that is freed by way of more.
template<class Value> std::string scalar(const Value& value, bool strict) {
    using Writer = nlohmann::json;
    try {
        return Writer(value).dump(-1, ' ', false, strict ? Writer::error_handler_t::strict : Writer::error_handler_t::replace);
    } catch (const Writer::exception&) {
        fail(STEER_ERR_ARG, "a text is not UTF-8: it cannot be written as JSON");
    }
}

} // namespace

const char* Json::type_name() const {
    static constexpr const char* names[] = {"null", "boolean", "number", "number", "number", "string", "array", "object"};
    return names[value_.index()];
}

size_t Json::size() const {
    if (is_array()) return get_ref<const array_t&>().size();
    return is_object() ? get_ref<const object_t&>().size() : 0;
}

const Json* Json::find(std::string_view key) const {
    if (!is_object()) return nullptr;
    for (const auto& [name, value] : items())
        if (name == key) return &value;
    return nullptr;
}

Json& Json::operator[](std::string_view key) {
    if (is_null()) value_ = object_t();
    auto& fields = get_ref<object_t&>();
    for (auto& [name, value] : fields)
        if (name == key) return value;
    return fields.emplace_back(std::string(key), Json()).second;
}

std::string Json::dump(int indent, bool strict) const {
    std::string out;
    write(out, indent, 0, strict);
    return out;
}

void Json::write(std::string& out, int indent, int depth, bool strict) const {
    const auto line = [&](int deep) {
        if (indent >= 0) out.append(1, '\n').append(static_cast<size_t>(indent * deep), ' ');
    };
    const auto elements = [&](char open, char close, const auto& all, auto write_one) {
        out += open;
        for (size_t i = 0; i < all.size(); i++) {
            if (i > 0) out += ',';
            line(depth + 1);
            write_one(all[i]);
        }
        if (!all.empty()) line(depth);
        out += close;
    };
    switch (type()) {
    case value_t::null: out += "null"; break;
    case value_t::boolean: out += get<bool>() ? "true" : "false"; break;
    case value_t::number_integer: out += fmt::format("{}", get<int64_t>()); break;
    case value_t::number_unsigned: out += fmt::format("{}", get<uint64_t>()); break;
    case value_t::number_float: out += scalar(get<double>(), strict); break;
    case value_t::string: out += scalar(get_ref<const std::string&>(), strict); break;
    case value_t::array:
        elements('[', ']', get_ref<const array_t&>(), [&](const Json& one) { one.write(out, indent, depth + 1, strict); });
        break;
    case value_t::object:
        elements('{', '}', items(), [&](const auto& field) {
            out += scalar(field.first, strict);
            out += indent >= 0 ? ": " : ":";
            field.second.write(out, indent, depth + 1, strict);
        });
        break;
    }
}

} // namespace steer
