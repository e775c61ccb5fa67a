#include "persona.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>

#include "width.h"

namespace chat {

namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

std::optional<int> parse_layer(std::string_view text) {
    int layer = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), layer);
    if (failed != std::errc() || end != text.data() + text.size() || layer < 0) return std::nullopt;
    return layer;
}

std::string name_of(const steer_vector_info& info, const std::string& path) {
    if (info.name != nullptr && *info.name != '\0') return printable(info.name);
    return printable(std::filesystem::path(path).stem().string());
}

} // namespace

std::string to_text(const LayerRange& range) {
    if (range.first == range.last) return std::to_string(range.first);
    return std::to_string(range.first) + "-" + std::to_string(range.last);
}

std::optional<LayerRange> parse_layers(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_layer(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_layer(text.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= std::numeric_limits<int>::max()) return std::nullopt;
    return LayerRange{*first, *last};
}

Persona::Persona(Vector vector, std::string path, int model_layers, const PersonaSettings& settings)
    : vector_(std::move(vector)),
      path_(std::move(path)),
      info_(vector_info(vector_.get())),
      strength_(settings.strength),
      unit_(settings.unit) {
    name_ = name_of(info_, path_);
    const bool knows_best = info_.best_begin >= 0 && info_.best_end > info_.best_begin;
    layers_ = knows_best ? LayerRange{info_.best_begin, info_.best_end - 1}
                         : LayerRange{info_.layer_begin, info_.layer_end - 1};
    if (settings.layers) layers_ = clipped(*settings.layers);

    std::vector<int> watched = settings.visualize_layers;
    if (watched.empty()) watched.push_back(default_gauge_layer(model_layers));
    for (int layer : watched) {
        const auto same = [&](const LayerGauge& gauge) { return gauge.layer == layer; };
        if (std::none_of(gauges_.begin(), gauges_.end(), same)) gauges_.push_back({layer, 0, 0});
    }
}

LayerRange Persona::clipped(const LayerRange& layers) const {
    const LayerRange rows{info_.layer_begin, info_.layer_end - 1};
    if (layers.first <= rows.last && layers.last >= rows.first) {
        return {std::max(layers.first, rows.first), std::min(layers.last, rows.last)};
    }
    throw std::runtime_error("layers " + to_text(layers) + ": the vector " + name_ + " has rows for layers " +
                             to_text(rows) + " only");
}

// At the lowest pushed site a gauge reads before the push, and nothing below was pushed: it is exact, and tells how the
// words so far sound to the model itself. Rows that are pushed below where they were measured have no such place: the
// vector's own choice, else three quarters up the model, where the older console looked.
int Persona::default_gauge_layer(int model_layers) const {
    if (info_.site_applied == info_.site_measured) {
        return info_.gauge_layer >= 0 ? std::min(info_.gauge_layer, layers_.first) : layers_.first;
    }
    if (info_.gauge_layer >= 0) return info_.gauge_layer;
    const int wanted = model_layers * 3 / 4;
    int best = info_.layer_end - 1;
    for (int layer = info_.layer_begin; layer < info_.layer_end; ++layer) {
        const bool nearer = std::abs(layer - wanted) < std::abs(best - wanted);
        if (nearer && vector_layer(vector_.get(), layer).row != nullptr) best = layer;
    }
    return best;
}

GaugeRange Persona::expected_range(int layer) const {
    const steer_vector_layer known = vector_layer(vector_.get(), layer);
    if (known.row == nullptr || !(known.residual_norm > 0)) return GaugeRange();
    return GaugeRange(known.neutral / known.residual_norm, known.persona / known.residual_norm);
}

steer_injection_id Persona::add_injection(steer_session* session, const LayerRange& layers, float strength) const {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector_.get();
    options.layer_begin = layers.first;
    options.layer_end = layers.last + 1;
    options.unit = unit_;
    options.strength = strength;
    steer_injection_id id = 0;
    steer_error error{};
    check(steer_injection_add(session, &options, &id, &error), error, "persona " + name_);
    return id;
}

void Persona::attach(steer_session* session) {
    injection_ = add_injection(session, layers_, strength_);
    for (LayerGauge& gauge : gauges_) {
        steer_gauge_options options;
        steer_gauge_options_init(&options, sizeof options);
        options.metric = STEER_METRIC_COSINE;
        options.vector = vector_.get();
        options.layer_begin = gauge.layer;
        options.layer_end = gauge.layer + 1;
        options.tap = STEER_TAP_BEFORE; // what a forward hook on the block saw: see docs/console_chat.md
        options.scale = STEER_SCALE_NATURAL;
        options.window = 1;
        for (auto [reading, id] :
             {std::pair{STEER_READING_RAW, &gauge.raw}, std::pair{STEER_READING_OWN, &gauge.own}}) {
            options.reading = reading;
            steer_error error{};
            check(steer_gauge_add(session, &options, id, &error), error,
                  "gauge at layer " + std::to_string(gauge.layer));
        }
    }
}

void Persona::set_strength(steer_session* session, float strength, int ramp_tokens) {
    check(steer_injection_set(session, injection_, strength, ramp_tokens), steer_error{}, "strength");
    strength_ = strength;
}

void Persona::set_layers(steer_session* session, const LayerRange& layers) {
    const LayerRange pushed = clipped(layers);
    // The new one starts at 0, so that no token is ever pushed by both.
    const steer_injection_id fresh = add_injection(session, pushed, 0.0f);
    steer_error error{};
    check(steer_injection_remove(session, injection_, &error), error, "layers");
    injection_ = fresh;
    layers_ = pushed;
    check(steer_injection_set(session, fresh, strength_, 0), steer_error{}, "strength");
}

float Persona::strength_in(const steer_step& step) const {
    const steer_injection_id id = injection_;
    const uint32_t slot = STEER_SLOT(id);
    return id != 0 && slot < step.strength_count ? step.strengths[slot] : nan_value;
}

std::vector<GaugeValue> Persona::values_in(const steer_step& step) const {
    auto value = [&](steer_gauge_id id) {
        const uint32_t slot = STEER_SLOT(id);
        return slot < step.gauge_count ? step.gauges[slot] : nan_value;
    };
    std::vector<GaugeValue> values;
    for (const LayerGauge& gauge : gauges_) values.push_back({value(gauge.raw), value(gauge.own)});
    return values;
}

} // namespace chat
