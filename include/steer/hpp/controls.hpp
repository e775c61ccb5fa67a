// Chapters 9 and 10: what an injection and a gauge are told.
#pragma once

#include "vector.hpp"

namespace steer::inline STEER_HPP_MODE {

struct Condition {
    GaugeId gauge{};
    When when = When::last_step;
    Test test = Test::above;
    float enter = 0.0f, leave = 0.0f;
    uint32_t group = 0;
};

struct InjectionOptions {
    const Vector* vector = nullptr;
    std::optional<Op> op{};
    std::vector<float> layer_scales{}; // one for each of [layer_begin, layer_end); empty: all 1
    std::vector<Condition> conditions{};
    std::optional<int32_t> layer_begin{}, layer_end{};
    std::optional<Unit> unit{};
    std::optional<Span> span{};
    std::optional<Rows> rows{};
    std::optional<float> strength{}, strength_min{}, strength_max{};
    std::optional<float> low{}, high{};
    GaugeId hold_gauge{};
    std::optional<float> hold_target{}, hold_rate{};
};

struct GaugeOptions {
    const Vector* vector = nullptr;
    std::optional<Metric> metric{};
    std::optional<int32_t> layer_begin{}, layer_end{};
    std::optional<Reduce> reduce{};
    std::optional<Reading> reading{};
    std::optional<Tap> tap{};
    std::optional<Scale> scale{};
    std::optional<int32_t> window{};
    std::optional<Rows> rows{};
};

namespace detail {

// err: where layer_scales does not fit the layers, which the C function could not see.
inline void add_injection(steer_session* session, const InjectionOptions& options, InjectionId& out, steer_error& err) {
    steer_injection_options c;
    steer_injection_options_init(&c, sizeof c);
    set(c.op, options.op);
    if (options.vector != nullptr) c.vector = options.vector->get();
    set(c.layer_begin, options.layer_begin);
    set(c.layer_end, options.layer_end);
    set(c.unit, options.unit);
    set(c.span, options.span);
    set(c.rows, options.rows);
    set(c.strength, options.strength);
    set(c.strength_min, options.strength_min);
    set(c.strength_max, options.strength_max);
    set(c.low, options.low);
    set(c.high, options.high);
    c.hold_gauge = options.hold_gauge.value;
    set(c.hold_target, options.hold_target);
    set(c.hold_rate, options.hold_rate);

    std::vector<steer_condition> conditions;
    for (const Condition& one : options.conditions)
        conditions.push_back({one.gauge.value, static_cast<int32_t>(one.when), static_cast<int32_t>(one.test), one.enter,
                              one.leave, one.group});
    if (!conditions.empty()) c.conditions = conditions.data();
    c.condition_count = static_cast<uint32_t>(conditions.size());

    if (!options.layer_scales.empty()) {
        const int64_t layers = int64_t{c.layer_end} - c.layer_begin;
        if (layers != static_cast<int64_t>(options.layer_scales.size())) {
            err = make_error(STEER_ERR_ARG, "layer_scales: give one factor for each layer from layer_begin to layer_end");
            return;
        }
        c.layer_scales = options.layer_scales.data();
    }
    steer_injection_add(session, &c, &out.value, &err);
}

inline void add_gauge(steer_session* session, const GaugeOptions& options, GaugeId& out, steer_error& err) {
    steer_gauge_options c;
    steer_gauge_options_init(&c, sizeof c);
    set(c.metric, options.metric);
    if (options.vector != nullptr) c.vector = options.vector->get();
    set(c.layer_begin, options.layer_begin);
    set(c.layer_end, options.layer_end);
    set(c.reduce, options.reduce);
    set(c.reading, options.reading);
    set(c.tap, options.tap);
    set(c.scale, options.scale);
    set(c.window, options.window);
    set(c.rows, options.rows);
    steer_gauge_add(session, &c, &out.value, &err);
}

} // namespace detail
} // namespace steer::inline STEER_HPP_MODE
