#include "step.h"

#include "names.h"

#include <cmath>
#include <limits>

namespace steer_python {
namespace {

bool is_prompt(const steer_step& step) { return (step.flags & STEER_STEP_PROMPT) != 0; }

size_t top_rows(const steer_step& step) {
    if (is_prompt(step)) return step.prompt_count;
    return step.token >= 0 ? 1 : 0;
}

float value_at(const std::vector<float>& values, size_t slot) {
    return slot < values.size() ? values[slot] : std::numeric_limits<float>::quiet_NaN();
}

py::object token(const StepObject& step) {
    if (step.c.token < 0) return py::none();
    return py::int_(step.c.token);
}

py::object failure(const StepObject& step) {
    if (step.error.status == STEER_OK) return py::none();
    return make_error(step.error);
}

py::object finish(const StepObject& step) {
    if (step.c.finish == STEER_FINISH_NONE) return py::none();
    return py::str(name_of(kFinishes, step.c.finish));
}

// [(token, log-probability), ...] of one row of candidates
py::list candidates(const StepObject& step, size_t row) {
    py::list made;
    for (size_t i = row * step.c.top_count; i < std::min((row + 1) * step.c.top_count, step.top.size()); i++)
        made.append(py::make_tuple(step.top[i].token, step.top[i].log_prob));
    return made;
}

py::list top(const StepObject& step) { return is_prompt(step.c) ? py::list() : candidates(step, 0); }

py::object push_free(const StepObject& step) { return to_array(step.push_free).attr("astype")("bool"); }

py::list prompt_candidates(const StepObject& step) {
    py::list made;
    if (step.c.top_count == 0 || !is_prompt(step.c)) return made;
    for (size_t row = 0; row < step.c.prompt_count; row++) made.append(candidates(step, row));
    return made;
}

py::object read(const py::object& self, const py::object& control) {
    const Inside inside;
    return control.attr("read")(self);
}

std::string describe(const StepObject& step) {
    const py::str text = to_text(step.text);
    std::string words = "Step(";
    if (is_prompt(step.c)) words += "prompt, " + std::to_string(step.c.pending_count) + " tokens to go";
    else if (step.c.token < 0) words += "no token";
    else words += "token=" + std::to_string(step.c.token) + ", text=" + py::repr(text).cast<std::string>();
    for (size_t i = 0; i < step.gauges.size(); i++) {
        char value[48];
        std::snprintf(value, sizeof value, "%s%+.3f", i == 0 ? ", gauges=[" : ", ", static_cast<double>(step.gauges[i]));
        words += value;
    }
    if (!step.gauges.empty()) words += "]";
    if (step.c.finish != STEER_FINISH_NONE) words += ", finish='" + name_of(kFinishes, step.c.finish) + "'";
    if (step.error.status != STEER_OK) words += ", error=" + std::string(steer::status_name(step.error.status));
    return words + ")";
}

void bind_values(py::class_<StepObject>& step) {
    const auto number = [&](const char* name, auto member) {
        step.def_property_readonly(name, [member](const StepObject& self) { return self.c.*member; });
    };
    number("turn", &steer_step::turn);
    number("position", &steer_step::position);
    number("log_prob", &steer_step::log_prob);
    number("entropy", &steer_step::entropy);
    number("kl", &steer_step::kl);
    number("kl_share", &steer_step::kl_share);
    number("twin_log_prob", &steer_step::twin_log_prob);
    number("milliseconds", &steer_step::milliseconds);
    number("pending", &steer_step::pending_count);
    const auto flag = [&](const char* name, uint32_t bit) {
        step.def_property_readonly(name, [bit](const StepObject& self) { return (self.c.flags & bit) != 0; });
    };
    step.def_property_readonly("is_plain", [](const StepObject& self) {
        return self.c.token >= 0 && self.c.finish == STEER_FINISH_NONE && self.c.status == STEER_OK;
    });
    flag("is_prompt", STEER_STEP_PROMPT);
    flag("text_held", STEER_STEP_TEXT_HELD);
    flag("sentence_end", STEER_STEP_SENTENCE_END);
    flag("guard", STEER_STEP_GUARD);
    flag("hold_limit", STEER_STEP_HOLD_LIMIT);
}

} // namespace

StepObject::StepObject(const steer_step& from, const steer_error& failure) : c(from), error(failure) {
    if (from.status != STEER_OK) return;
    gauges.assign(from.gauges, from.gauges + from.gauge_count);
    push_free.assign(from.gauge_push_free, from.gauge_push_free + from.gauge_count);
    strengths.assign(from.strengths, from.strengths + from.strength_count);
    prompt_log_probs.assign(from.prompt_log_probs, from.prompt_log_probs + from.prompt_count);
    top.assign(from.top, from.top + top_rows(from) * from.top_count);
    bytes.assign(from.bytes.data, from.bytes.size);
    text.assign(from.text.data, from.text.size);
}

void bind_step(py::module_& module) {
    py::class_<StepObject> step(module, "Step");
    bind_values(step);
    step.def_property_readonly("token", token)
        .def_property_readonly("finish", finish)
        .def_property_readonly("error", failure)
        .def_property_readonly("text", [](const StepObject& self) { return to_text(self.text); })
        .def_property_readonly("bytes", [](const StepObject& self) { return py::bytes(self.bytes); })
        .def_property_readonly("gauges", [](const StepObject& self) { return to_array(self.gauges); })
        .def_property_readonly("push_free", push_free)
        .def_property_readonly("strengths", [](const StepObject& self) { return to_array(self.strengths); })
        .def_property_readonly("prompt_log_probs", [](const StepObject& self) { return to_array(self.prompt_log_probs); })
        .def_property_readonly("top", top)
        .def_property_readonly("prompt_top", prompt_candidates)
        .def("gauge_at", [](const StepObject& self, size_t slot) { return value_at(self.gauges, slot); }, py::arg("slot"))
        .def("strength_at", [](const StepObject& self, size_t slot) { return value_at(self.strengths, slot); }, py::arg("slot"))
        .def("__getitem__", read, py::arg("control"))
        .def("__str__", [](const StepObject& self) { return to_text(self.text); })
        .def("__repr__", [](const StepObject& self) { return to_text(describe(self)); });
}

} // namespace steer_python
