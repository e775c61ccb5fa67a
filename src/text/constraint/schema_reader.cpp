#include "text/constraint/schema_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace steer::constraint {
namespace {

constexpr JsonLimits kLimits{.depth = 64, .values = 200'000, .text_size = size_t{4} << 20};

std::string unescape_pointer(std::string_view token, const std::string& where) {
    std::string out;
    for (size_t i = 0; i < token.size(); i++) {
        if (token[i] == '%' && i + 2 < token.size()) {
            uint8_t byte = 0;
            const char* const digits = token.data() + i + 1;
            if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
                malformed(where, "an escape that is none");
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += token[i];
        }
    }
    for (size_t at = 0; (at = out.find('~', at)) != std::string::npos; at++) {
        const char next = at + 1 < out.size() ? out[at + 1] : ' ';
        if (next != '0' && next != '1') malformed(where, "a ~ that is no escape");
        out.replace(at, 2, next == '0' ? "~" : "/");
    }
    return out;
}

const Json* step_into(const Json& json, const std::string& token) {
    if (json.is_object()) return find_field(json, token);
    size_t index = 0;
    const char* const end = token.data() + token.size();
    if (!json.is_array() || token.empty() || std::from_chars(token.data(), end, index).ptr != end) return nullptr;
    return index < json.size() ? &json[index] : nullptr;
}

} // namespace

std::string pointer_to(const std::string& where, std::string_view key) {
    std::string out = where + '/';
    for (const char byte : key) {
        if (byte == '~')
            out += "~0";
        else if (byte == '/')
            out += "~1";
        else
            out += byte;
    }
    return out;
}

SchemaReader::SchemaReader(std::string_view text) : root_(parse_json(text, "constraint_text", kLimits)) {}

SchemaAt SchemaReader::resolve(const SchemaAt& schema) const {
    const std::string where = pointer_to(schema.where, "$ref");
    const Json* const reference = find_field(*schema.json, "$ref");
    if (!reference->is_string()) malformed(where, "must be a string");
    const std::string& text = reference->get_ref<const std::string&>();
    if (!text.starts_with('#'))
        not_known(where, "a reference to another document: only #/... within this one is followed");
    if (text.size() > 1 && text[1] != '/') not_known(where, "a reference by anchor: only #/... is followed");
    SchemaAt at = root();
    for (size_t begin = std::min<size_t>(2, text.size()); text.size() > 1 && begin <= text.size();) {
        const size_t end = std::min(text.find('/', begin), text.size());
        const std::string token = unescape_pointer(std::string_view(text).substr(begin, end - begin), where);
        const Json* const next = step_into(*at.json, token);
        if (next == nullptr) malformed(where, "{} leads to nothing", quote(text, 80));
        at = {next, pointer_to(at.where, token)};
        begin = end + 1;
    }
    return at;
}

SchemaAt child(const SchemaAt& of, std::string_view key, const Json& value) {
    return {&value, pointer_to(of.where, key)};
}

SchemaAt child(const SchemaAt& of, size_t index) {
    return {&(*of.json)[index], of.where + '/' + std::to_string(index)};
}

bool says_nothing(std::string_view keyword) {
    static constexpr std::array<std::string_view, 13> known{
        "title",     "description", "default", "examples", "example",     "deprecated",   "readOnly",
        "writeOnly", "$comment",    "$schema", "$defs",    "definitions", "discriminator"};
    return keyword.starts_with("x-") || std::find(known.begin(), known.end(), keyword) != known.end();
}

const Json* find_array(const SchemaAt& schema, std::string_view key, bool may_be_empty) {
    const Json* const found = find_field(*schema.json, key);
    if (found == nullptr) return nullptr;
    if (!found->is_array()) malformed(pointer_to(schema.where, key), "must be an array");
    if (found->empty() && !may_be_empty) malformed(pointer_to(schema.where, key), "must not be empty");
    return found;
}

const Json* find_object(const SchemaAt& schema, std::string_view key) {
    const Json* const found = find_field(*schema.json, key);
    if (found != nullptr && !found->is_object()) malformed(pointer_to(schema.where, key), "must be an object");
    return found;
}

std::optional<uint32_t> find_count(const SchemaAt& schema, std::string_view key) {
    const Json* const found = find_field(*schema.json, key);
    if (found == nullptr) return {};
    constexpr double most = 1e9; // more is as good as no limit
    const double number = found->is_number() ? found->get<double>() : -1.0;
    if (number < 0.0 || number != std::floor(number))
        malformed(pointer_to(schema.where, key), "must be a whole number");
    return static_cast<uint32_t>(std::min(number, most));
}

std::optional<std::string> find_text(const SchemaAt& schema, std::string_view key) {
    const Json* const found = find_field(*schema.json, key);
    if (found == nullptr) return {};
    if (!found->is_string()) malformed(pointer_to(schema.where, key), "must be a string");
    return found->get<std::string>();
}

bool find_flag(const SchemaAt& schema, std::string_view key) {
    const Json* const found = find_field(*schema.json, key);
    if (found != nullptr && !found->is_boolean()) malformed(pointer_to(schema.where, key), "must be true or false");
    return found != nullptr && found->get<bool>();
}

Kinds kind_of(const Json& value) {
    switch (value.type()) {
    case Json::value_t::boolean: return kBoolean;
    case Json::value_t::string: return kString;
    case Json::value_t::array: return kArray;
    case Json::value_t::object: return kObject;
    case Json::value_t::null: return kNull;
    case Json::value_t::number_float:
        return value.get<double>() == std::floor(value.get<double>()) ? kInteger : kFraction;
    default: return kInteger;
    }
}

Kinds kinds_of_type(const SchemaAt& schema) {
    const Json* const type = find_field(*schema.json, "type");
    if (type == nullptr) return kAnyKind;
    const std::string where = pointer_to(schema.where, "type");
    const auto kinds_of = [&](const Json& name) -> Kinds {
        if (name == "null") return kNull;
        if (name == "boolean") return kBoolean;
        if (name == "integer") return kInteger;
        if (name == "number") return kNumber;
        if (name == "string") return kString;
        if (name == "array") return kArray;
        if (name == "object") return kObject;
        malformed(where, "must be null, boolean, integer, number, string, array, object, or a list of these");
    };
    if (!type->is_array()) return kinds_of(*type);
    Kinds all = 0;
    for (const Json& name : *type) all |= kinds_of(name);
    if (all == 0) malformed(where, "must not be empty");
    return all;
}

} // namespace steer::constraint
