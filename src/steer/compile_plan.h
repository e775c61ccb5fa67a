// A session's injections and gauges, compiled into the plan that a backend reads.
#pragma once

#include "steer/gauge.h"
#include "steer/plan.h"
#include "steer/vector.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace steer {

struct GaugeSpec;

struct ConditionSpec {
    uint32_t gauge = 0;                    // id
    bool same_pass = false;                // a gate, else a rule
    Comparator comparator{};
    uint32_t group = 0;
    std::shared_ptr<const GaugeSpec> reads; // what the gauge is
    int32_t bit = 0;                       // its state's place among those of the session's gates or rules
};

// Integral control of a strength, so that a gauge stays where it is wanted: s += rate (target - running mean), rate = 1 / (32
// slope), slope being what the gauge rises with the strength.
struct HoldSpec {
    uint32_t gauge = 0; // id; 0: not held
    float start = 0.0f, min = 0.0f, max = 0.0f; // of the strength
    float step_max = 0.0f; // in one token
    float slope = kUnknown;
};

struct InjectionSpec {
    VectorPtr vector;
    PushKind kind = PushKind::add;
    SpanMask span = kSpanAll;
    int32_t rows = 0;                       // STEER_ROWS_*
    int32_t layer_begin = 0, layer_end = 0; // rows of the vector, half open, clipped to what it has
    std::vector<float> layer_scales;        // layer_end - layer_begin, or empty: all 1
    float relative = kUnknown;              // the relative strength that a strength of 1 is, of a push that was calibrated
    HoldSpec hold;
    float low = 0.0f, high = 0.0f;          // of an interval, in its unit
    int32_t unit = STEER_UNIT_RAW;          // of low and high: the projection on the row, shares of the norm there, gaps
    std::vector<ConditionSpec> conditions;  // empty: always; else all of a group must hold, of the groups any
};

struct GaugeSpec {
    VectorPtr vector;
    Metric metric = Metric::cosine;
    Tap tap = Tap::before;
    Reading reading = Reading::raw;
    int32_t rows = 0;                       // STEER_ROWS_*
    int32_t layer_begin = 0, layer_end = 0; // clipped to what the vector has
    Reduce reduce = Reduce::mean;
    bool calibrated = false; // 0 neutral text, 1 the persona's
    int32_t window = 1;
};

// What an injection does to the stream, without its strength and span: equal numbers, equal pushes.
uint64_t effect_key(const InjectionSpec& spec);
int32_t lowest_site(const InjectionSpec& spec);

// STEER_ERR_ARG where nothing would be pushed or read, STEER_ERR_MISMATCH where a row lies beyond the model.
void check_injection(const InjectionSpec& spec, int32_t layer_count);
void check_gauge(const GaugeSpec& spec, int32_t layer_count);

bool reads_raw(const GaugeSpec& spec); // with the pushes in it
int32_t highest_site(const GaugeSpec& spec);
// A condition that its injection would hold open itself, or that comes too late for it: STEER_ERR_ARG.
void check_condition(const ConditionSpec& condition, const InjectionSpec& injection);
uint64_t condition_key(const ConditionSpec& condition); // equal contents, equal keys, whatever the ids

// STEER_ERR_ARG where `added` asks of nearly the same row at the same site something else than one that is there, or where
// a site would have too many intervals.
void check_intervals(const InjectionSpec& added, std::span<const InjectionSpec* const> there);

struct PlannedInjection {
    int32_t input;      // index into the injections given
    bool same_as_last;  // does exactly what the one before does: sort the strengths of such a run
};

struct PlannedGauge {
    std::vector<int32_t> probes; // into the probes of the row, or of the twin's, by layer
    std::vector<int32_t> layers; // of the probes
    int32_t lowest, highest;     // sites
};

struct CompiledPlan {
    RowPlan row;
    RowPlan twin_row; // probes alone: those of the gauges that read the twin
    std::vector<PlannedInjection> injections; // in the order of the row's strengths
    std::vector<PlannedGauge> gauges;         // as given
};

// The order of sums is fixed by what is pushed (vector fingerprint, layers, scales), never by who was added first.
// Vectors must outlive the plan.
CompiledPlan compile_plan(std::span<const InjectionSpec* const> injections, std::span<const GaugeSpec* const> gauges,
                          int32_t layer_count);

} // namespace steer
