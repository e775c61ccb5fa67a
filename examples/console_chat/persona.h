// A persona in a session: one injection that pushes, and two gauges for each layer that is watched.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "gauge_line.h"

namespace chat {

struct LayerRange {
    int first, last; // inclusive, as typed
};
std::string to_text(const LayerRange& range);
std::optional<LayerRange> parse_layers(std::string_view text); // "20-50" or "48"

struct PersonaSettings {
    float strength = 0;
    int32_t unit = STEER_UNIT_RAW;
    std::optional<LayerRange> layers;  // absent: the vector's best ones, else all it has
    std::vector<int> visualize_layers; // empty: one, the vector's own choice
};

struct LayerGauge {
    int layer;
    steer_gauge_id raw, own;
};

struct GaugeValue {
    float raw, own;
};

class Persona {
  public:
    Persona(Vector vector, std::string path, int model_layers, const PersonaSettings& settings);

    void attach(steer_session* session);
    void set_strength(steer_session* session, float strength, int ramp_tokens);
    void set_layers(steer_session* session, const LayerRange& layers);

    const std::string& name() const { return name_; }
    const std::string& path() const { return path_; }
    const steer_vector_info& info() const { return info_; }
    const steer_vector* vector() const { return vector_.get(); }
    LayerRange layers() const { return layers_; }
    float strength() const { return strength_; } // as last set; a ramp may be on its way there
    int32_t unit() const { return unit_; }
    const std::vector<LayerGauge>& gauges() const { return gauges_; }

    // Where cosines of neutral and of persona text lie at that layer; without statistics, a range that grows.
    GaugeRange expected_range(int layer) const;

    float strength_in(const steer_step& step) const;
    std::vector<GaugeValue> values_in(const steer_step& step) const; // in the order of gauges()

  private:
    steer_injection_id add_injection(steer_session* session, const LayerRange& layers, float strength) const;
    LayerRange clipped(const LayerRange& layers) const; // to the vector's rows; throws where it has none of them
    int default_gauge_layer(int model_layers) const;

    Vector vector_;
    std::string path_, name_;
    steer_vector_info info_{};
    LayerRange layers_{0, 0};
    float strength_;
    int32_t unit_;
    std::atomic<steer_injection_id> injection_{0}; // read by the thread that steps, replaced by set_layers
    std::vector<LayerGauge> gauges_;
};

} // namespace chat
