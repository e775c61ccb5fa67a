#include "run/step_controls.h"

#include "steer/gauge_value.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace steer {
namespace {

constexpr float kUnknownValue = std::numeric_limits<float>::quiet_NaN();

std::shared_ptr<const PlanInForce> compile(const Controls& controls, int32_t layer_count) {
    auto made = std::make_shared<PlanInForce>();
    made->view = controls.view();
    std::vector<const InjectionSpec*> injections;
    std::vector<const GaugeSpec*> gauges;
    for (const ActiveInjection& one : made->view.injections) injections.push_back(one.spec.get());
    for (const ActiveGauge& one : made->view.gauges) gauges.push_back(one.spec.get());
    made->compiled = compile_plan(injections, gauges, layer_count);
    return made;
}

// Entries for the ids in `active`, in that order: kept where they were there before, else new ones.
template<class Entry, class Active, class Make>
std::vector<Entry> carry_over(const std::vector<Entry>& before, const std::vector<Active>& active, Make make) {
    std::vector<Entry> now;
    for (const Active& one : active) {
        const auto found = std::find_if(before.begin(), before.end(), [&](const Entry& e) { return e.id == one.id; });
        now.push_back(found == before.end() ? make(one) : *found);
    }
    return now;
}

} // namespace

float Ramp::value() const {
    if (done >= length) return target;
    return static_cast<float>(from + (static_cast<double>(target) - from) * done / length);
}

void StepControls::begin_step(const Controls& controls, int32_t layer_count, bool samples,
                              const ConditionHistory& conditions, int32_t position, float guard) {
    guard_ = guard;
    if (!in_force_ || in_force_->view.version != controls.version()) {
        in_force_ = compile(controls, layer_count);
        ramps_ = carry_over(ramps_, in_force_->view.injections,
                            [](const ActiveInjection& one) {
                                return Ramp{one.id, one.first.word, one.first.value, one.first.value, 0, 0};
                            });
        std::vector<ActiveInjection> to_hold;
        for (const ActiveInjection& one : in_force_->view.injections)
            if (one.spec->hold.gauge != 0) to_hold.push_back(one);
        held_ = carry_over(held_, to_hold, [](const ActiveInjection& one) { return Held{one.id, Hold(one.spec->hold.start)}; });
        windows_ = carry_over(windows_, in_force_->view.gauges, [](const ActiveGauge& one) {
            return Window{one.id, GaugeWindow(one.spec->window)};
        });
    }
    for (Ramp& ramp : ramps_) {
        const Command command = controls.command(ramp.id, ramp.word);
        if (command.word != ramp.word) // a set since the last step: from the value in force
            ramp = {ramp.id, command.word, ramp.value(), command.value, command.ramp, 0};
        if (samples && ramp.done < ramp.length) ramp.done++;
    }
    conditions_ = ConditionHistory::Today(conditions, in_force_->view.owners).before(position);
    set_row(in_force_->compiled.injections);
}

// Strengths and gates in the plan's order. Injections that do the same: in the order of their strengths.
void StepControls::set_row(const std::vector<PlannedInjection>& planned) {
    struct Member {
        float strength;
        std::vector<uint64_t> groups;
    };
    row_strengths_.clear();
    gating_ = {};
    std::vector<Member> run;
    for (size_t i = 0; i < planned.size(); i++) {
        const auto input = static_cast<size_t>(planned[i].input);
        Member member{in_force(input), {}};
        if (!add_groups_left(*in_force_->view.injections[input].spec, conditions_.rules, member.groups)) member.strength = 0.0f;
        run.push_back(std::move(member));
        if (i + 1 < planned.size() && planned[i + 1].same_as_last) continue;
        std::sort(run.begin(), run.end(), [](const Member& a, const Member& b) { return a.strength < b.strength; });
        for (const Member& one : run) {
            row_strengths_.push_back(one.strength);
            gating_.begin.push_back(static_cast<int32_t>(gating_.groups.size()));
            gating_.groups.insert(gating_.groups.end(), one.groups.begin(), one.groups.end());
        }
        run.clear();
    }
    gating_.begin.push_back(static_cast<int32_t>(gating_.groups.size()));
}

std::vector<SteeringKey> StepControls::keys(std::span<const uint8_t> chooses_reply, std::span<const uint64_t> gates) const {
    std::vector<PushedAmount> pushes;
    for (size_t i = 0; i < ramps_.size(); i++) {
        const ActiveInjection& injection = in_force_->view.injections[i];
        pushes.push_back({injection.effect, injection.lowest_site, injection.spec->span, in_force(i), injection.spec});
    }
    KeyMemo memo(pushes);
    std::vector<SteeringKey> keys;
    for (size_t i = 0; i < chooses_reply.size(); i++)
        keys.push_back(memo.at(chooses_reply[i] != 0 ? kSpanReply : kSpanPrompt,
                               {conditions_.rules, gates.empty() ? 0 : gates[i]}));
    return keys;
}

void StepControls::fill_strengths(uint64_t gates, std::vector<float>& out) const {
    out.assign(in_force_->view.injection_slots, kUnknownValue);
    for (size_t i = 0; i < ramps_.size(); i++) {
        const bool on = acts(*in_force_->view.injections[i].spec, {conditions_.rules, gates});
        out[STEER_SLOT(ramps_[i].id)] = on ? in_force(i) : 0.0f;
    }
}

uint64_t StepControls::next_rules(std::span<const float> gauges) const {
    uint64_t next = 0;
    for (const ActiveInjection& injection : in_force_->view.injections)
        for (const ConditionSpec& one : injection.spec->conditions) {
            const uint64_t bit = uint64_t{1} << one.bit;
            if (!one.same_pass && one.comparator.next((conditions_.rules & bit) != 0, gauges[STEER_SLOT(one.gauge)])) next |= bit;
        }
    return next;
}

bool StepControls::is_push_free(size_t gauge, int32_t lowest_pushed) const {
    return in_force_->view.gauges[gauge].spec->reading == Reading::twin || in_force_->compiled.gauges[gauge].highest < lowest_pushed;
}

void StepControls::fill_gauges(std::span<const float> readings, std::span<const float> twin_readings, int32_t lowest_pushed,
                               bool samples, std::vector<float>& out) {
    const auto& gauges = in_force_->view.gauges;
    out.assign(in_force_->view.gauge_slots, kUnknownValue);
    std::vector<PushInForce> pushes;
    for (size_t i = 0; i < ramps_.size(); i++) {
        const ActiveInjection& injection = in_force_->view.injections[i];
        pushes.push_back({injection.spec.get(), injection.lowest_site, in_force(i)});
    }
    std::vector<float> layers;
    for (size_t i = 0; i < gauges.size(); i++) {
        layers.clear();
        const PlannedGauge& planned = in_force_->compiled.gauges[i];
        const std::span<const float> from = gauges[i].spec->reading == Reading::twin ? twin_readings : readings;
        for (size_t j = 0; j < planned.probes.size(); j++)
            layers.push_back(gauge_value(*gauges[i].spec, planned.layers[j], from[static_cast<size_t>(planned.probes[j])], pushes,
                                         is_push_free(i, lowest_pushed)));
        const float value = reduce_layers(gauges[i].spec->reduce, layers);
        out[STEER_SLOT(gauges[i].id)] = samples ? windows_[i].values.push(value) : value;
    }
}

void StepControls::fill_push_free(int32_t lowest_pushed, std::vector<uint8_t>& out) const {
    out.assign(in_force_->view.gauge_slots, 0);
    for (size_t i = 0; i < in_force_->view.gauges.size(); i++)
        out[STEER_SLOT(in_force_->view.gauges[i].id)] = is_push_free(i, lowest_pushed);
}

void StepControls::fill_nothing(const Controls& controls, std::vector<float>& gauges, std::vector<uint8_t>& push_free,
                                std::vector<float>& strengths) const {
    const ControlsView view = controls.view();
    gauges.assign(view.gauge_slots, kUnknownValue);
    push_free.assign(view.gauge_slots, 0);
    strengths.assign(view.injection_slots, kUnknownValue);
}

const StepControls::Held* StepControls::held(uint32_t injection) const {
    const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& one) { return one.id == injection; });
    return found == held_.end() ? nullptr : &*found;
}

float StepControls::in_force(size_t injection) const {
    const Held* const hold = held(ramps_[injection].id);
    return guard_ * (hold == nullptr ? ramps_[injection].value() : hold->hold.strength());
}

bool StepControls::follow_gauges(std::span<const float> gauges) {
    bool at_limit = false;
    for (size_t i = 0; i < ramps_.size(); i++) {
        const HoldSpec& spec = in_force_->view.injections[i].spec->hold;
        const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& one) { return one.id == ramps_[i].id; });
        if (found == held_.end()) continue;
        found->hold.follow(spec, ramps_[i].value(), gauges[STEER_SLOT(spec.gauge)]);
        at_limit = at_limit || found->hold.at_limit();
    }
    return at_limit;
}

std::shared_ptr<const FrozenStrengths> StepControls::frozen() const {
    if (held_.empty() && guard_ == 1.0f) return nullptr;
    auto frozen = std::make_shared<FrozenStrengths>();
    frozen->guard = guard_;
    for (const Held& one : held_) frozen->held.emplace_back(one.id, one.hold.strength());
    return frozen;
}

GuardLimits StepControls::guard_limits() const {
    GuardLimits limits;
    for (const ActiveInjection& injection : in_force_->view.injections) {
        const Calibration* const known = injection.spec->vector->calibration.get();
        if (known == nullptr) continue;
        for (size_t age = 0; age < limits.entropy.size(); age++) {
            limits.entropy[age] = std::fmax(limits.entropy[age], known->entropy_limits[age]);
            limits.surprise[age] = std::fmax(limits.surprise[age], known->surprise_limits[age]);
        }
        limits.length = std::fmax(limits.length, known->length_limit);
        limits.scripts |= known->scripts;
    }
    return limits;
}

void StepControls::begin_turn() {
    for (Window& window : windows_) window.values.clear();
}

void StepControls::forget_readings() {
    begin_turn();
    for (Held& one : held_) one.hold.forget_readings();
}

} // namespace steer
