// The conversation's side of its controls: the plan in force, where each ramp stands, the gauges' windows. Belongs to the
// thread that steps; a step works on a copy and keeps it only if it succeeds, so a failure changes nothing.
#pragma once

#include "run/conditions.h"
#include "run/controls.h"
#include "run/guard.h"
#include "run/hold.h"
#include "steer/compile_plan.h"

#include <memory>
#include <span>
#include <vector>

namespace steer {

struct Ramp {
    uint32_t id = 0;
    uint64_t word = 0;                // of the command it follows
    float from = 0.0f, target = 0.0f;
    uint32_t length = 0, done = 0;    // tokens
    float value() const;
};

struct PlanInForce { // immutable, shared by forks
    ControlsView view;
    CompiledPlan compiled;
};

class StepControls {
  public:
    // Reads the controls: a new plan where something was added or removed, new strengths. samples: the step makes a token,
    // so ramps move on by one. conditions: as they stand at the step's first position, `position`. guard: what every strength
    // is multiplied with.
    void begin_step(const Controls& controls, int32_t layer_count, bool samples,
                    const ConditionHistory& conditions = {}, int32_t position = 0, float guard = 1.0f);

    const RowPlan* plan() const { return &in_force_->compiled.row; }
    const RowPlan* twin_plan() const { return &in_force_->compiled.twin_row; }
    std::span<const float> row_strengths() const { return row_strengths_; } // in the plan's order; 0 where a rule says so
    const Gating* gating() const { return gating_.groups.empty() ? nullptr : &gating_; }
    ConditionBits conditions() const { return conditions_; }
    const ConditionOwners& condition_owners() const { return in_force_->view.owners; }
    // Of positions with these spans; gates: after each of them, or empty.
    std::vector<SteeringKey> keys(std::span<const uint8_t> chooses_reply, std::span<const uint64_t> gates) const;

    // By slot. A token's values enter the windows, a prompt's are shown alone. lowest_pushed: the lowest site at which
    // anything was pushed at this position or before it in the cache.
    void fill_strengths(uint64_t gates, std::vector<float>& out) const; // gates: after the position whose values are shown
    void fill_gauges(std::span<const float> readings, std::span<const float> twin_readings, int32_t lowest_pushed, bool samples,
                     std::vector<float>& out);
    uint64_t next_rules(std::span<const float> gauges) const; // by slot, of a sampled token
    void fill_push_free(int32_t lowest_pushed, std::vector<uint8_t>& out) const;
    void fill_nothing(const Controls& controls, std::vector<float>& gauges, std::vector<uint8_t>& push_free,
                      std::vector<float>& strengths) const; // no pass was run

    // After a sampled token: held strengths move. True: one cannot reach its target.
    bool follow_gauges(std::span<const float> gauges); // by slot
    std::shared_ptr<const FrozenStrengths> frozen() const; // nullptr: nothing is
    GuardLimits guard_limits() const; // the widest of the vectors that push

    void begin_turn();      // windows start anew; what is held goes on from turn to turn
    void forget_readings(); // the means of what is held too

  private:
    struct Held {
        uint32_t id;
        Hold hold;
    };
    float in_force(size_t injection) const;
    const Held* held(uint32_t injection) const;
    bool is_push_free(size_t gauge, int32_t lowest_pushed) const;
    void set_row(const std::vector<PlannedInjection>& planned);

    struct Window {
        uint32_t id;
        GaugeWindow values;
    };

    std::shared_ptr<const PlanInForce> in_force_;
    std::vector<Ramp> ramps_;         // by in_force_->view.injections; of the target where it is held
    std::vector<Held> held_;          // of those that are
    float guard_ = 1.0f;
    std::vector<float> row_strengths_;
    Gating gating_;
    ConditionBits conditions_;        // rules in force in this step, gates before it
    std::vector<Window> windows_;     // by in_force_->view.gauges
};

} // namespace steer
