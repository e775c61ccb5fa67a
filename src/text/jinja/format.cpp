#include "text/jinja/format.h"

#include "files/utf8.h"

#include <cmath>
#include <utf8proc.h>

namespace steer::jinja {
namespace {

// str.isprintable
bool prints(uint32_t code) {
    if (code == ' ') return true;
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

void append_quoted(const Text& text, Text& out) {
    bool single = text.bytes.find('\'') != std::string::npos, twofold = text.bytes.find('"') != std::string::npos;
    std::string quote = single && !twofold ? "\"" : "'";
    out.append(quote, Origin::Template);
    for (const char *begin = text.bytes.data(), *at = begin, *end = at + text.size(); at < end;) {
        const char* from = at;
        uint32_t code = decode_valid_utf8(at);
        auto origin = static_cast<Origin>(text.origins[static_cast<size_t>(from - begin)]);
        if (code == static_cast<uint8_t>(quote[0]) || code == '\\') {
            out.append("\\", origin), out.append({from, 1}, origin);
        } else if (code == '\n' || code == '\r' || code == '\t') {
            out.append(code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t", origin);
        } else if (prints(code)) {
            out.append({from, static_cast<size_t>(at - from)}, origin);
        } else if (code < 0x100) {
            out.append(fmt::format("\\x{:02x}", code), origin);
        } else {
            out.append(code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code), origin);
        }
    }
    out.append(quote, Origin::Template);
}

void append_repr(Runtime& run, const Value& value, Text& out) {
    if (const Text* text = as_text(value)) {
        run.charge_text(text->size());
        append_quoted(*text, out);
    } else {
        append_str(run, value, out);
    }
}

void append_list(Runtime& run, const List& list, Text& out) {
    out.append(list.tuple ? "(" : "[", Origin::Template);
    for (size_t i = 0; i < list.items.size(); ++i) {
        if (i > 0) out.append(", ", Origin::Template);
        append_repr(run, list.items[i], out);
    }
    if (list.tuple && list.items.size() == 1) out.append(",", Origin::Template);
    out.append(list.tuple ? ")" : "]", Origin::Template);
}

void append_dict(Runtime& run, const Dict& dict, Text& out) {
    out.append("{", Origin::Template);
    for (size_t i = 0; i < dict.entries.size(); ++i) {
        if (i > 0) out.append(", ", Origin::Template);
        append_quoted(*dict.entries[i].first, out);
        out.append(": ", Origin::Template);
        append_repr(run, dict.entries[i].second, out);
    }
    out.append("}", Origin::Template);
}

class JsonWriter {
  public:
    JsonWriter(Runtime& run, std::optional<int64_t> indent) : run_(run), indent_(indent) {}

    void write(const Value& value) {
        run_.charge(1);
        run_.charge_text(out.size() > written_ ? out.size() - written_ : 0);
        if (out.size() > text_max) run_.error("a text of more than {} bytes", text_max);
        written_ = out.size();
        if (const Text* text = as_text(value)) return quote(text->bytes);
        if (const List* list = as_list(value)) return write_list(*list);
        if (const Dict* dict = as_dict(value)) return write_dict(*dict);
        if (is<None>(value)) {
            out += "null";
        } else if (auto truth = std::get_if<bool>(&value)) {
            out += *truth ? "true" : "false";
        } else if (auto whole = std::get_if<int64_t>(&value)) {
            out += std::to_string(*whole);
        } else if (auto real = std::get_if<double>(&value)) {
            out += std::isnan(*real)   ? "NaN"
                   : std::isinf(*real) ? (*real > 0 ? "Infinity" : "-Infinity")
                                       : format_double(*real);
        } else {
            run_.error("tojson: a value of type {} has no JSON form", type_name(value));
        }
    }

    std::string out;

  private:
    void write_list(const List& list) {
        if (list.items.empty()) return void(out += "[]");
        out += '[';
        ++level_;
        for (size_t i = 0; i < list.items.size(); ++i) {
            separate(i > 0);
            write(list.items[i]);
        }
        --level_;
        separate_end();
        out += ']';
    }

    void write_dict(const Dict& dict) {
        if (dict.entries.empty()) return void(out += "{}");
        out += '{';
        ++level_;
        for (size_t i = 0; i < dict.entries.size(); ++i) {
            separate(i > 0);
            quote(dict.entries[i].first->bytes);
            out += ": ";
            write(dict.entries[i].second);
        }
        --level_;
        separate_end();
        out += '}';
    }

    void separate(bool comma) {
        if (comma) out += indent_ ? "," : ", ";
        if (indent_) out += '\n', out.append(level_ * static_cast<size_t>(*indent_), ' ');
    }
    void separate_end() {
        if (indent_) out += '\n', out.append(level_ * static_cast<size_t>(*indent_), ' ');
    }

    void quote(std::string_view text) {
        static constexpr std::string_view escaped = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
        out += '"';
        for (char c : text) {
            size_t known = escaped.find(c);
            if (known != std::string_view::npos) {
                out += '\\', out += letters[known];
            } else if (static_cast<unsigned char>(c) < 0x20) {
                out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
            } else {
                out += c;
            }
        }
        out += '"';
    }

    Runtime& run_;
    std::optional<int64_t> indent_;
    size_t level_ = 0, written_ = 0;
};

} // namespace

std::string format_double(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    std::string text = fmt::format("{}", value); // shortest that reads back, exponents from 1e16 on, as Python
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

void append_str(Runtime& run, const Value& value, Text& out) {
    run.charge(1);
    size_t before = out.size();
    if (const Text* text = as_text(value)) {
        out.append(*text);
    } else if (is<None>(value)) {
        out.append("None", Origin::Template);
    } else if (auto truth = std::get_if<bool>(&value)) {
        out.append(*truth ? "True" : "False", Origin::Template);
    } else if (auto whole = std::get_if<int64_t>(&value)) {
        out.append(std::to_string(*whole), Origin::Template);
    } else if (auto real = std::get_if<double>(&value)) {
        out.append(format_double(*real), Origin::Template);
    } else if (const List* list = as_list(value)) {
        append_list(run, *list, out);
    } else if (const Dict* dict = as_dict(value)) {
        append_dict(run, *dict, out);
    } else if (!is<Undefined>(value)) {
        run.unsupported(std::string("printing a ") + type_name(value));
    }
    if (out.size() > text_max) run.error("a text of more than {} bytes", text_max);
    run.charge_text(out.size() - before);
}

Text to_str(Runtime& run, const Value& value) {
    Text out;
    append_str(run, value, out);
    return out;
}

Text to_json(Runtime& run, const Value& value, std::optional<int64_t> indent) {
    JsonWriter writer(run, indent);
    writer.write(value);
    run.charge_text(writer.out.size());
    return Text(writer.out, Origin::Message);
}

} // namespace steer::jinja
