// Chapters 9 and 10 of the header.
#include "given.h"
#include "objects.h"

namespace steer_python {
namespace {

// A condition is (gauge, when, test, enter, leave, group).
using ConditionTuple = std::tuple<uint32_t, std::string, std::string, float, float, uint32_t>;

std::vector<steer::Condition> to_conditions(const std::vector<ConditionTuple>& conditions) {
    std::vector<steer::Condition> made;
    for (const auto& [gauge, when, test, enter, leave, group] : conditions)
        made.push_back({{gauge}, static_cast<steer::When>(value_of("when", kWhens, when)),
                        static_cast<steer::Test>(value_of("test", kTests, test)), enter, leave, group});
    return made;
}

uint32_t add_injection(SessionObject& session, VectorObject& vector, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::InjectionOptions options;
    options.vector = &*vector;
    given.take("op", kOps, options.op);
    given.take("layer_scales", options.layer_scales);
    std::vector<ConditionTuple> conditions;
    given.take("conditions", conditions);
    options.conditions = to_conditions(conditions);
    given.take("layer_begin", options.layer_begin);
    given.take("layer_end", options.layer_end);
    given.take("unit", kUnits, options.unit);
    given.take("span", kSpans, options.span);
    given.take("rows", kRows, options.rows);
    given.take("strength", options.strength);
    given.take("strength_min", options.strength_min);
    given.take("strength_max", options.strength_max);
    given.take("low", options.low);
    given.take("high", options.high);
    given.take("hold_gauge", options.hold_gauge.value);
    given.take("hold_target", options.hold_target);
    given.take("hold_rate", options.hold_rate);
    given.none_left();
    return unlocked([&] { return session->add_injection(options).value; });
}

uint32_t add_gauge(SessionObject& session, VectorObject& vector, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::GaugeOptions options;
    options.vector = &*vector;
    given.take("metric", kMetrics, options.metric);
    given.take("layer_begin", options.layer_begin);
    given.take("layer_end", options.layer_end);
    given.take("reduce", kReduces, options.reduce);
    given.take("reading", kReadings, options.reading);
    given.take("tap", kTaps, options.tap);
    given.take("scale", kScales, options.scale);
    given.take("window", options.window);
    given.take("rows", kRows, options.rows);
    given.none_left();
    return unlocked([&] { return session->add_gauge(options).value; });
}

void set_strength(SessionObject& session, uint32_t id, float value, int32_t ramp_tokens) {
    unlocked([&] { session->set_strength(steer::InjectionId{id}, value, ramp_tokens); });
}

void remove_injection(SessionObject& session, uint32_t id) {
    unlocked([&] { session->remove(steer::InjectionId{id}); });
}

void remove_gauge(SessionObject& session, uint32_t id) {
    unlocked([&] { session->remove(steer::GaugeId{id}); });
}

} // namespace

void bind_controls(py::class_<SessionObject>& session) {
    session.def("add_injection", add_injection, py::arg("vector"))
        .def("set_strength", set_strength, py::arg("id"), py::arg("value"), py::arg("ramp_tokens"))
        .def("remove_injection", remove_injection, py::arg("id"))
        .def("add_gauge", add_gauge, py::arg("vector"))
        .def("remove_gauge", remove_gauge, py::arg("id"));
}

} // namespace steer_python
