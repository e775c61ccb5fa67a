#include "files/json_value.h"

#include "files/error.h"
#include "files/utf8.h"

#include <charconv>
#include <cmath>
#include <iterator>

namespace steer {
namespace {

void write_string(std::string_view text, bool strict, std::string& out) {
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
    out += '"';
    while (!text.empty()) {
        const Utf8Char next = decode_utf8(text.data(), text.data() + text.size());
        const size_t escape = escaped.find(text[0]);
        if (next.kind != Utf8Char::Good && strict) fail(STEER_ERR_ARG, "a text is not UTF-8: it cannot be written as JSON");
        if (next.kind != Utf8Char::Good) out += replacement_character;
        else if (escape != escaped.npos) out.append(1, '\\').append(1, letters[escape]);
        else if (static_cast<unsigned char>(text[0]) < 0x20) out += fmt::format("\\u{:04x}", static_cast<unsigned>(text[0]));
        else out += text.substr(0, next.size);
        text.remove_prefix(next.size);
    }
    out += '"';
}

// The shortest digits that read back as the same number, with a point or an exponent: a reader sees that it is no integer.
void write_double(double value, std::string& out) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    char digits[32];
    const std::string_view text(digits, static_cast<size_t>(std::to_chars(digits, std::end(digits), value).ptr - digits));
    out += text;
    if (text.find_first_of(".e") == text.npos) out += ".0";
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
    case value_t::number_float: write_double(get<double>(), out); break;
    case value_t::string: write_string(get_ref<const std::string&>(), strict, out); break;
    case value_t::array:
        elements('[', ']', get_ref<const array_t&>(), [&](const Json& one) { one.write(out, indent, depth + 1, strict); });
        break;
    case value_t::object:
        elements('{', '}', items(), [&](const auto& field) {
            write_string(field.first, strict, out);
            out += indent >= 0 ? ": " : ":";
            field.second.write(out, indent, depth + 1, strict);
        });
        break;
    }
}

} // namespace steer
