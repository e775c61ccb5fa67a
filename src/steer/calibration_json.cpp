#include "steer/calibration_json.h"

#include "files/error.h"
#include "files/json.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr int64_t kSchema = 2;
constexpr double kMost = 3.4e38;
constexpr size_t kStrengthsMax = 64;

struct Figure {
    const char* key;
    float Calibration::*value;
};
constexpr Figure kFigures[] = {
    {"gap", &Calibration::gap},
    {"length_limit", &Calibration::length_limit},
    {"slope_corrected", &Calibration::slope_corrected},
    {"slope_twin", &Calibration::slope_twin},
    {"safe_pass", &Calibration::safe_pass},
    {"safe_fail", &Calibration::safe_fail},
};

struct Curve {
    const char* key;
    std::vector<float> Calibration::*values;
};
constexpr Curve kCurves[] = {{"shift", &Calibration::shift}, {"spread", &Calibration::spread}, {"clarity", &Calibration::clarity}};

Json to_json(float value) { return std::isfinite(value) ? Json(double{value}) : Json(nullptr); } // what is unknown is null

template<class List> Json to_list(const List& values) {
    Json list = Json::array();
    for (const float value : values) list.push_back(to_json(value));
    return list;
}

float to_float(const Json& value, const char* key, const std::string& where) {
    if (value.is_null()) return Calibration::kNaN;
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!(number >= -kMost && number <= kMost)) fail(STEER_ERR_FORMAT, "{}: \"{}\" holds what is no number", where, key);
    return static_cast<float>(number);
}

template<class List> void read_list(const Json& from, const char* key, List& to, const std::string& where) {
    const Json& list = get_array(from, key, where);
    if (list.size() != to.size())
        fail(STEER_ERR_FORMAT, "{}: \"{}\" has {} numbers, {} are needed", where, key, list.size(), to.size());
    for (size_t i = 0; i < to.size(); i++) to[i] = to_float(list[i], key, where);
}

Json scale_to_json(const GaugeScale& scale) {
    Json json = Json::object();
    json["neutral"] = to_list(scale.neutral);
    json["persona"] = to_list(scale.persona);
    json["separation"] = to_json(scale.separation);
    return json;
}

void read_scales(const Json& json, Calibration& calibration, const std::string& where) {
    const Json& scales = get_array(json, "scales", where);
    calibration.scales.resize(calibration.layers() * kMetrics * kSmoothings);
    if (scales.size() != calibration.scales.size())
        fail(STEER_ERR_FORMAT, "{}: \"scales\" has {} entries, {} are needed", where, scales.size(), calibration.scales.size());
    for (size_t i = 0; i < scales.size(); i++) {
        GaugeScale& scale = calibration.scales[i];
        read_list(scales[i], "neutral", scale.neutral, where);
        read_list(scales[i], "persona", scale.persona, where);
        scale.separation = to_float(get_field(scales[i], "separation", where), "separation", where);
    }
}

void read_response(const Json& json, Calibration& calibration, const std::string& where) {
    const size_t count = get_array(json, "strengths", where).size();
    if (count > kStrengthsMax) fail(STEER_ERR_FORMAT, "{}: \"strengths\" has {} numbers, allowed are {}", where, count, kStrengthsMax);
    calibration.strengths.resize(count);
    read_list(json, "strengths", calibration.strengths, where);
    const auto& strengths = calibration.strengths;
    const auto wrong = [](float a, float b) { return !(a < b); };
    if (std::adjacent_find(strengths.begin(), strengths.end(), wrong) != strengths.end())
        fail(STEER_ERR_FORMAT, "{}: \"strengths\" do not ascend", where);
    for (const Curve& curve : kCurves) {
        (calibration.*curve.values).resize(calibration.layers() * kMetrics * count);
        read_list(json, curve.key, calibration.*curve.values, where);
    }
    calibration.centre.resize(calibration.layers() * kMetrics);
    read_list(json, "centre", calibration.centre, where);
}

} // namespace

std::string calibration_to_json(const Calibration& c) {
    Json json = Json::object();
    json["schema"] = kSchema;
    json["dtype"] = c.dtype;
    json["weights"] = c.weights;
    json["layer_begin"] = c.layer_begin;
    json["layer_end"] = c.layer_end;
    json["band_begin"] = c.band_begin;
    json["band_end"] = c.band_end;
    for (const Figure& figure : kFigures) json[figure.key] = to_json(c.*figure.value);
    json["safe_rule"] = c.safe_rule;
    json["scripts"] = c.scripts;
    json["entropy_limits"] = to_list(c.entropy_limits);
    json["surprise_limits"] = to_list(c.surprise_limits);
    json["rho"] = to_list(c.rho);
    json["neutral"] = to_list(c.neutral);
    json["persona"] = to_list(c.persona);
    json["strengths"] = to_list(c.strengths);
    json["centre"] = to_list(c.centre);
    for (const Curve& curve : kCurves) json[curve.key] = to_list(c.*curve.values);
    Json scales = Json::array();
    for (const GaugeScale& scale : c.scales) scales.push_back(scale_to_json(scale));
    json["scales"] = std::move(scales);
    return json.dump();
}

CalibrationPtr calibration_from_json(const std::string& text, int32_t layer_begin, int32_t layer_end, const std::string& where) {
    const Json json = parse_json(text, where, {.depth = 5, .values = 1u << 20, .text_size = 16u << 20});
    if (get_int(json, "schema", where, 0, INT32_MAX) != kSchema)
        fail(STEER_ERR_UNSUPPORTED, "{}: schema {}, this library reads {}: calibrate again, or update it", where,
             get_int(json, "schema", where, 0, INT32_MAX), kSchema);
    const auto number = [&](const char* key, int32_t most) { return static_cast<int32_t>(get_int(json, key, where, 0, most)); };
    auto made = std::make_shared<Calibration>();
    Calibration& c = *made;
    c.dtype = number("dtype", 3);
    c.weights = number("weights", 3);
    c.layer_begin = number("layer_begin", layer_end);
    c.layer_end = number("layer_end", layer_end);
    c.band_begin = number("band_begin", layer_end);
    c.band_end = number("band_end", layer_end);
    if (c.layer_begin != layer_begin || c.layer_end != layer_end || c.band_begin < layer_begin || c.band_begin >= c.band_end)
        fail(STEER_ERR_FORMAT, "{}: it is for layers [{}, {}) and pushes at [{}, {}), the rows are in [{}, {})", where, c.layer_begin,
             c.layer_end, c.band_begin, c.band_end, layer_begin, layer_end);
    for (const Figure& figure : kFigures) c.*figure.value = to_float(get_field(json, figure.key, where), figure.key, where);
    c.scripts = static_cast<uint32_t>(get_int(json, "scripts", where, 0, INT32_MAX));
    read_list(json, "entropy_limits", c.entropy_limits, where);
    read_list(json, "surprise_limits", c.surprise_limits, where);
    c.safe_rule = get_string(json, "safe_rule", where);
    for (const auto& [key, list] : {std::pair{"rho", &c.rho}, {"neutral", &c.neutral}, {"persona", &c.persona}}) {
        list->resize(c.layers());
        read_list(json, key, *list, where);
    }
    read_scales(json, c, where);
    read_response(json, c, where);
    return made;
}

} // namespace steer
