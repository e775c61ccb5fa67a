// Chapters 9 and 10 of the header: injections write into the stream, gauges read it.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"
#include "files/quote.h"
#include "steer/strength.h"

#include <limits>

using namespace steer;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int32_t kWindowMax = 1 << 20;
constexpr float kShareMax = 2.0f; // of an interval's way

steer_injection_options default_injection() {
    steer_injection_options options{};
    options.struct_size = sizeof options;
    options.layer_end = INT32_MAX;
    options.strength_min = -kInfinity;
    options.strength_max = kInfinity;
    return options;
}

steer_gauge_options default_gauge() {
    steer_gauge_options options{};
    options.struct_size = sizeof options;
    options.layer_begin = options.layer_end = -1;
    options.window = 1;
    options.rows = STEER_ROWS_READ;
    return options;
}

VectorPtr fitting_vector(const steer_vector* handle, const Model& model) {
    VectorPtr vector = PinnedVector(handle, "vector").share();
    check_vector_fits(*vector, model.fingerprint(), model.config().hidden_size, model.config().layer_count);
    return vector;
}

// What carries a calibration must be what it was measured on.
const Calibration& need_calibration(const Vector& vector, const Model& model, const char* field) {
    if (vector.calibration == nullptr)
        fail(STEER_ERR_UNSUPPORTED, "{} needs a calibrated vector: {} is not, see steer_vector_calibrate", field, quote(vector.name));
    if (vector.calibration->weights != model.weights_format())
        fail(STEER_ERR_UNSUPPORTED, "{}: vector {} was calibrated with another format of weights: steer_vector_calibrate", field,
             quote(vector.name));
    return *vector.calibration;
}

// Layers left at what init says are the band of the calibration.
void set_unit(const steer_injection_options& options, const Model& model, InjectionSpec& spec) {
    if (options.unit == STEER_UNIT_RAW) return;
    const Calibration& calibration = need_calibration(*spec.vector, model, options.unit == STEER_UNIT_GAPS ? "unit GAPS" : "unit RELATIVE");
    if (spec.kind == PushKind::interval) {
        spec.unit = options.unit;
        return;
    }
    if (spec.rows != STEER_ROWS_WRITE) fail(STEER_ERR_ARG, "rows is READ: the units RELATIVE and GAPS are those of the write rows");
    const bool left = spec.layer_begin == 0 && spec.layer_end == INT32_MAX;
    if (left) spec.layer_begin = calibration.band_begin, spec.layer_end = calibration.band_end;
    if (spec.layer_begin != calibration.band_begin || spec.layer_end != calibration.band_end)
        fail(STEER_ERR_UNSUPPORTED, "layers [{}, {}): vector {} was calibrated for pushes at [{}, {}): steer_vector_calibrate",
             spec.layer_begin, spec.layer_end, quote(spec.vector->name), calibration.band_begin, calibration.band_end);
    StrengthScale scale = strength_scale(*spec.vector, options.unit, spec.layer_begin, spec.layer_end, spec.layer_scales);
    // Another curve than was calibrated, or another operator, has another response.
    if (spec.layer_scales.empty() && spec.kind == PushKind::add) spec.relative = scale.relative;
    spec.layer_scales = std::move(scale.factors);
}

// A strength that is moved stays within the safe maximum where no limits were given.
void set_hold(const steer_injection_options& options, InjectionSpec& spec) {
    if (options.hold_gauge == 0) {
        if (options.hold_target != 0.0f || options.hold_rate != 0.0f) fail(STEER_ERR_ARG, "hold_target and hold_rate are for a hold_gauge");
        return;
    }
    if (std::isnan(spec.relative))
        fail(STEER_ERR_ARG, "hold_gauge: a strength is held in unit RELATIVE or GAPS, without layer_scales: how the gauge answers it is "
                            "known for that alone");
    check_finite(options.hold_target, "hold_target");
    if (!(options.hold_rate > 0.0f)) fail(STEER_ERR_ARG, "hold_rate is {}: it is the most change of strength in one token, above 0", options.hold_rate);
    const Calibration& c = *spec.vector->calibration;
    const float safe = c.safe_pass > 0.0f ? c.safe_pass / spec.relative : kInfinity;
    spec.hold = {options.hold_gauge, options.strength, std::max(options.strength_min, -safe), std::min(options.strength_max, safe),
                 options.hold_rate};
    spec.hold.start = std::clamp(spec.hold.start, spec.hold.min, spec.hold.max);
}

std::vector<float> read_scales(const steer_injection_options& options, int32_t layer_count) {
    if (options.layer_scales == nullptr) return {};
    if (options.layer_begin < 0 || options.layer_end > layer_count)
        fail(STEER_ERR_ARG, "layer_scales holds a factor for each of layers [{}, {}): say layers of this model, [0, {})",
             options.layer_begin, options.layer_end, layer_count);
    std::vector<float> scales(options.layer_scales, options.layer_scales + (options.layer_end - options.layer_begin));
    for (const float scale : scales) check_finite(scale, "a layer scale");
    return scales;
}

void check_layers(int32_t begin, int32_t end) {
    if (begin >= end) fail(STEER_ERR_ARG, "layers [{}, {}) are none: layer_end is one past the last", begin, end);
}

// A share is a part of the way, 1 the whole of it, 2 its reflection; the curve over the layers can only lessen it.
void check_share(const steer_injection_options& options, const InjectionSpec& spec) {
    check_range(options.strength, 0.0f, kShareMax, "strength of op INTERVAL, a share of the way,");
    if (options.strength_min > kShareMax || options.strength_max < 0.0f)
        fail(STEER_ERR_ARG, "strength_min {} and strength_max {} leave nothing of [0, {}], where the strength of op INTERVAL lies",
             options.strength_min, options.strength_max, kShareMax);
    for (const float scale : spec.layer_scales) check_range(scale, 0.0f, 1.0f, "a layer scale of op INTERVAL");
}

void read_interval(const steer_injection_options& options, InjectionSpec& spec) {
    if (spec.kind != PushKind::interval) {
        if (options.low != 0.0f || options.high != 0.0f) fail(STEER_ERR_ARG, "low and high are for op INTERVAL");
        return;
    }
    check_share(options, spec);
    if (!(options.low <= options.high) || options.low == kInfinity || options.high == -kInfinity)
        fail(STEER_ERR_ARG, "low {} and high {} are no interval: low may not be above high", options.low, options.high);
    if (options.low == -kInfinity && options.high == kInfinity)
        fail(STEER_ERR_ARG, "low {} and high {} bound nothing: give at least one of them", options.low, options.high);
    spec.low = options.low + 0.0f; // one zero, not two
    spec.high = options.high + 0.0f;
}

ConditionSpec read_condition(const steer_condition& condition) {
    if (condition.gauge == 0) fail(STEER_ERR_ARG, "conditions: gauge is 0: give the id of a gauge of this session");
    check_enum(condition.when, STEER_WHEN_SAME_PASS, "conditions: when");
    check_enum(condition.test, STEER_TEST_BELOW, "conditions: test");
    check_finite(condition.enter, "conditions: enter");
    check_finite(condition.leave, "conditions: leave");
    const bool below = condition.test == STEER_TEST_BELOW;
    if (below ? condition.leave < condition.enter : condition.leave > condition.enter)
        fail(STEER_ERR_ARG, "conditions: leave {} lies past enter {}, so the test {} would hold and not hold at once: leave may not "
                            "be {} enter", condition.leave, condition.enter, below ? "BELOW" : "ABOVE", below ? "below" : "above");
    ConditionSpec spec;
    spec.gauge = condition.gauge;
    spec.same_pass = condition.when == STEER_WHEN_SAME_PASS;
    spec.comparator = {condition.enter, condition.leave, below};
    spec.group = condition.group;
    return spec;
}

InjectionSpec read_injection(const steer_injection_options& options, const Model& model) {
    check_enum(options.op, STEER_OP_INTERVAL, "op");
    check_enum(options.unit, STEER_UNIT_GAPS, "unit");
    check_enum(options.span, STEER_SPAN_REPLY, "span");
    check_enum(options.rows, STEER_ROWS_READ, "rows");
    check_layers(options.layer_begin, options.layer_end);
    check_finite(options.strength, "strength");
    if (!(options.strength_min <= options.strength_max) || options.strength_min == kInfinity ||
        options.strength_max == -kInfinity)
        fail(STEER_ERR_ARG, "strength_min {} and strength_max {} leave no strength", options.strength_min,
             options.strength_max);
    InjectionSpec spec;
    spec.vector = fitting_vector(options.vector, model);
    spec.kind = options.op == STEER_OP_ADD             ? PushKind::add
                : options.op == STEER_OP_ADD_KEEP_NORM ? PushKind::add_keep_norm
                                                       : PushKind::interval;
    spec.span = options.span == STEER_SPAN_PROMPT ? kSpanPrompt : options.span == STEER_SPAN_REPLY ? kSpanReply : kSpanAll;
    spec.rows = options.rows;
    spec.layer_begin = options.layer_begin;
    spec.layer_end = options.layer_end;
    spec.layer_scales = read_scales(options, model.config().layer_count);
    set_unit(options, model, spec);
    set_hold(options, spec);
    read_interval(options, spec);
    for (const steer_condition& one : read_array(options.conditions, options.condition_count, "conditions"))
        spec.conditions.push_back(read_condition(one));
    check_injection(spec, model.config().layer_count);
    return spec;
}

GaugeSpec read_gauge(const steer_gauge_options& options, const Session& session) {
    const Model& model = session.model();
    check_enum(options.metric, STEER_METRIC_DOT, "metric");
    check_enum(options.reduce, STEER_REDUCE_LAST, "reduce");
    check_enum(options.reading, STEER_READING_TWIN, "reading");
    check_enum(options.tap, STEER_TAP_AFTER, "tap");
    check_enum(options.scale, STEER_SCALE_CALIBRATED, "scale");
    check_enum(options.rows, STEER_ROWS_READ, "rows");
    check_int(options.window, 1, kWindowMax, "window");
    if (options.reading == STEER_READING_TWIN && !session.has_twin())
        fail(STEER_ERR_ARG, "reading TWIN is for a session with a twin: steer_session_options.twin = 1");
    GaugeSpec spec;
    spec.vector = fitting_vector(options.vector, model);
    spec.metric = options.metric == STEER_METRIC_COSINE       ? Metric::cosine
                  : options.metric == STEER_METRIC_PROJECTION ? Metric::projection
                                                              : Metric::dot;
    spec.reduce = options.reduce == STEER_REDUCE_MEAN  ? Reduce::mean
                  : options.reduce == STEER_REDUCE_MAX ? Reduce::max
                                                       : Reduce::last;
    spec.tap = options.tap == STEER_TAP_BEFORE ? Tap::before : Tap::after;
    constexpr Reading kReadings[] = {Reading::raw, Reading::own, Reading::corrected, Reading::twin}; // as STEER_READING_*
    spec.reading = kReadings[options.reading];
    spec.rows = options.rows;
    spec.window = options.window;
    spec.layer_begin = options.layer_begin;
    spec.layer_end = options.layer_end;
    if (spec.layer_begin == -1 && spec.layer_end == -1) {
        const Vector& vector = *spec.vector;
        spec.layer_begin = vector.gauge_layer >= 0 ? vector.gauge_layer : vector.layer_end - 1;
        spec.layer_end = spec.layer_begin + 1;
    }
    check_layers(spec.layer_begin, spec.layer_end);
    spec.calibrated = options.scale == STEER_SCALE_CALIBRATED;
    if (spec.calibrated) need_calibration(*spec.vector, model, "scale CALIBRATED");
    if (spec.reading == Reading::corrected) need_calibration(*spec.vector, model, "reading OWN_CORRECTED");
    check_gauge(spec, model.config().layer_count);
    return spec;
}

struct SetValue { // what steer_injection_set sets: the target where a strength is held, an interval's share, else the strength
    float first, min, max;
};

SetValue set_value(const steer_injection_options& options, const InjectionSpec& spec) {
    if (spec.hold.gauge != 0) return {options.hold_target, -kInfinity, kInfinity};
    if (options.op == STEER_OP_INTERVAL)
        return {options.strength, std::max(options.strength_min, 0.0f), std::min(options.strength_max, kShareMax)};
    return {options.strength, options.strength_min, options.strength_max};
}

} // namespace

extern "C" {

void steer_injection_options_init(steer_injection_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_injection());
}

steer_status steer_injection_add(steer_session* s, const steer_injection_options* o, steer_injection_id* out,
                                 steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const PinnedSession session(s, "session");
        const auto options = read_options(o, default_injection(), "steer_injection_options");
        InjectionSpec spec = read_injection(options, session->model());
        const SetValue set = set_value(options, spec);
        *out = session->controls().add_injection(std::move(spec), set.first, set.min, set.max);
    });
}

steer_status steer_injection_set(steer_session* s, steer_injection_id id, float value, int32_t ramp_tokens) {
    if (is_forked_child()) return STEER_ERR_STATE;
    const PinnedSession session(s);
    return session ? session->controls().set_strength(id, value, ramp_tokens) : STEER_ERR_ARG;
}

steer_status steer_injection_remove(steer_session* s, steer_injection_id id, steer_error* err) {
    return guard(err, [&] { PinnedSession(s, "session")->controls().remove_injection(id); });
}

void steer_gauge_options_init(steer_gauge_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_gauge());
}

steer_status steer_gauge_add(steer_session* s, const steer_gauge_options* o, steer_gauge_id* out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const PinnedSession session(s, "session");
        const auto options = read_options(o, default_gauge(), "steer_gauge_options");
        *out = session->controls().add_gauge(read_gauge(options, *session));
    });
}

steer_status steer_gauge_remove(steer_session* s, steer_gauge_id id, steer_error* err) {
    return guard(err, [&] { PinnedSession(s, "session")->controls().remove_gauge(id); });
}

} // extern "C"
