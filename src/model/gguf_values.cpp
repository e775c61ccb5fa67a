#include "files/error.h"
#include "files/quote.h"
#include "files/utf8.h"
#include "model/gguf_parts.h"

#include <charconv>
#include <cmath>

namespace steer {
namespace {

bool is_integer(GgufType type) { return type != GgufType::f32 && type != GgufType::f64 && type < GgufType::boolean; }

// A value's own text as a number: all of it.
template<class T>
bool parse(const std::string& text, T& out) {
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && at == end;
}

} // namespace

void gguf_missing(const GgufFile& file, const std::string& key) {
    fail(STEER_ERR_FORMAT, "{}: {} is missing in the GGUF header: convert the model again with llama.cpp's converter",
         file.name(), key);
}

std::optional<std::string> gguf_text(const GgufFile& file, const std::string& key) {
    const GgufValue* value = file.find(key);
    if (value == nullptr) return {};
    if (value->type != GgufType::text) fail(STEER_ERR_FORMAT, "{}: {} must be a string", file.name(), key);
    if (!is_valid_utf8(value->text)) fail(STEER_ERR_FORMAT, "{}: {} is no UTF-8", file.name(), key);
    return value->text;
}

std::optional<int64_t> gguf_integer(const GgufFile& file, const std::string& key, int64_t min, int64_t max) {
    const GgufValue* value = file.find(key);
    if (value == nullptr) return {};
    const bool whole = is_integer(value->type) || value->type == GgufType::u64 || value->type == GgufType::i64;
    if (!whole) fail(STEER_ERR_FORMAT, "{}: {} must be a whole number", file.name(), key);
    int64_t number = 0;
    if (!parse(value->text, number) || number < min || number > max)
        fail(STEER_ERR_FORMAT, "{}: {} is {}, it must be from {} to {}", file.name(), key, value->text, min, max);
    return number;
}

std::optional<double> gguf_number(const GgufFile& file, const std::string& key) {
    const GgufValue* value = file.find(key);
    if (value == nullptr) return {};
    double number = 0.0;
    const bool kind = value->type != GgufType::text && value->type != GgufType::boolean && value->type != GgufType::array;
    if (!kind || !parse(value->text, number) || !std::isfinite(number))
        fail(STEER_ERR_FORMAT, "{}: {} must be a finite number", file.name(), key);
    return number;
}

bool gguf_flag(const GgufFile& file, const std::string& key) {
    const GgufValue* value = file.find(key);
    if (value == nullptr) return false;
    if (value->type != GgufType::boolean) fail(STEER_ERR_FORMAT, "{}: {} must be true or false", file.name(), key);
    return value->text == "true";
}

const GgufValue& gguf_array(const GgufFile& file, const std::string& key, GgufType item, uint64_t longest) {
    const GgufValue* value = file.find(key);
    if (value == nullptr) gguf_missing(file, key);
    if (value->type != GgufType::array || value->item != item)
        fail(STEER_ERR_FORMAT, "{}: {} must be an array of {}", file.name(), key, item == GgufType::text ? "strings" : "i32");
    if (value->count > longest)
        fail(STEER_ERR_FORMAT, "{}: {} has {} items, at most {} are read", file.name(), key, value->count, longest);
    return *value;
}

} // namespace steer
