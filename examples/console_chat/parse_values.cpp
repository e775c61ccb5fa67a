#include "parse_values.h"

#include <charconv>
#include <cmath>

namespace chat {

namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& text, const std::string& wanted) {
    throw UsageError(what + ": '" + text + "' is not " + wanted);
}

template<typename T>
bool parse(const std::string& text, T& value) {
    const char* begin = text.data();
    const char* end = begin + text.size();
    if (begin != end && *begin == '+') ++begin;
    const auto [stop, failed] = std::from_chars(begin, end, value);
    return failed == std::errc() && stop == end && begin != end;
}

} // namespace

float parse_number(const std::string& text, const std::string& what) {
    float value = 0;
    if (!parse(text, value) || !std::isfinite(value)) refuse(what, text, "a number");
    return value;
}

float parse_number_in(const std::string& text, const std::string& what, float least, float most) {
    const float value = parse_number(text, what);
    if (value < least || value > most) {
        auto shown = [](float bound) {
            return bound == std::floor(bound) ? std::to_string(static_cast<int>(bound)) : std::to_string(bound);
        };
        refuse(what, text, "between " + shown(least) + " and " + shown(most));
    }
    return value;
}

int parse_whole(const std::string& text, const std::string& what, int least) {
    int value = 0;
    if (!parse(text, value) || value < least) refuse(what, text, "a whole number from " + std::to_string(least));
    return value;
}

uint64_t parse_seed(const std::string& text, const std::string& what) {
    uint64_t value = 0;
    if (!parse(text, value)) refuse(what, text, "a whole number from 0");
    return value;
}

LayerRange parse_layer_range(const std::string& text, const std::string& what) {
    const auto layers = parse_layers(text);
    if (!layers) refuse(what, text, "a range of layers such as 20-50");
    return *layers;
}

int32_t parse_unit(const std::string& text, const std::string& what) {
    for (int32_t unit : {STEER_UNIT_RAW, STEER_UNIT_RELATIVE, STEER_UNIT_GAPS}) {
        if (text == unit_name(unit)) return unit;
    }
    refuse(what, text, "raw, relative or gaps");
}

int32_t parse_dtype(const std::string& text, const std::string& what) {
    if (text == "auto") return STEER_DTYPE_AUTO;
    if (text == "float32") return STEER_DTYPE_F32;
    if (text == "float16") return STEER_DTYPE_F16;
    if (text == "bfloat16") return STEER_DTYPE_BF16;
    refuse(what, text, "auto, float32, bfloat16 or float16");
}

int32_t parse_weights(const std::string& text, const std::string& what) {
    for (int32_t weights : {STEER_WEIGHTS_AS_STORED, STEER_WEIGHTS_INT8, STEER_WEIGHTS_INT4, STEER_WEIGHTS_NF4}) {
        if (text == weights_name(weights)) return weights;
    }
    refuse(what, text, "as_stored, int8, int4 or nf4");
}

std::string parse_device(const std::string& text, const std::string& what) {
    if (text == "auto") return {};
    int index = 0;
    const bool cuda = text == "cuda" || (text.starts_with("cuda:") && parse(text.substr(5), index) && index >= 0);
    if (text != "cpu" && !cuda) refuse(what, text, "auto, cpu or cuda:N");
    return text == "cuda" ? "cuda:0" : text;
}

} // namespace chat
