// A session's injections and gauges: set by any thread at any time, read once when a step starts.
#pragma once

#include "run/conditions.h"
#include "steer/compile_plan.h"
#include "steer/steer.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace steer {

// What steer_injection_set last asked for, in one word that is written and read at once.
struct Command {
    float value = 0.0f;
    uint32_t ramp = 0; // tokens; 0: at once
    uint64_t word = 0; // differs with every set
};

struct ActiveInjection {
    uint32_t id;
    std::shared_ptr<const InjectionSpec> spec;
    uint64_t effect;      // effect_key(*spec)
    int32_t lowest_site;
    Command first;        // the strength it was added with
};

struct ActiveGauge {
    uint32_t id;
    std::shared_ptr<const GaugeSpec> spec;
};

struct ControlsView { // of one moment
    uint64_t version = 0;
    std::vector<ActiveInjection> injections; // by slot
    std::vector<ActiveGauge> gauges;         // by slot
    ConditionOwners owners;
    uint32_t injection_slots = 0, gauge_slots = 0; // one past the last in use
};

// What is pushed at a position, as a number that says whether two computations agree, and the lowest site of it.
struct SteeringKey {
    uint64_t key = 0; // 0: nothing
    int32_t lowest_site = INT32_MAX;
    bool operator==(const SteeringKey&) const = default;
};

struct PushedAmount {
    uint64_t effect;
    int32_t lowest_site;
    SpanMask span;
    float strength;
    std::shared_ptr<const InjectionSpec> spec = nullptr; // whose conditions; none: always
};
SteeringKey steering_key(std::vector<PushedAmount> pushes, SpanMask span);

// Keys of many positions, most of which are alike.
class KeyMemo {
  public:
    explicit KeyMemo(std::span<const PushedAmount> pushes) : pushes_(pushes) {}
    SteeringKey at(SpanMask span, ConditionBits bits);

  private:
    struct Known {
        bool known = false;
        ConditionBits bits;
        SteeringKey key;
    };
    std::span<const PushedAmount> pushes_;
    Known prompt_, reply_;
};

// Strengths that nobody set: where hold and the guard stand.
struct FrozenStrengths {
    float guard = 1.0f;                             // a factor of all
    std::vector<std::pair<uint32_t, float>> held;   // by injection

    float of(uint32_t injection, const InjectionSpec& spec, float set) const;
};

struct SettledSteering { // what a cold run would push today, ramps finished, hold and guard as they stand
    std::vector<PushedAmount> injections;
    ConditionOwners owners;
};

class Controls {
  public:
    Controls(int32_t injection_max, int32_t gauge_max);
    Controls(const Controls& other); // a fork: the same ids

    uint32_t add_injection(InjectionSpec spec, float strength, float strength_min, float strength_max);
    void remove_injection(uint32_t id);
    uint32_t add_gauge(GaugeSpec spec);
    void remove_gauge(uint32_t id); // STEER_ERR_STATE where a condition looks at it

    // Lock-free. STEER_ERR_ARG: no such injection, or a number that is not finite.
    steer_status set_strength(uint32_t id, float value, int32_t ramp_tokens) noexcept;

    uint64_t version() const { return version_.load(std::memory_order_acquire); }
    ControlsView view() const;
    // The last set of an injection; where it is gone and its slot another's, the word known stays.
    Command command(uint32_t id, uint64_t known_word) const;
    SettledSteering settled(const FrozenStrengths& frozen) const;

  private:
    struct InjectionSlot {
        std::atomic<uint32_t> id{0};
        std::atomic<uint64_t> word{0};
        std::atomic<float> min{0.0f}, max{0.0f};
        std::shared_ptr<const InjectionSpec> spec; // under mutex_, as all that follows
        uint64_t effect = 0, first_word = 0;
        int32_t lowest_site = INT32_MAX;
    };
    struct GaugeSlot {
        uint32_t id = 0;
        std::shared_ptr<const GaugeSpec> spec;
    };

    uint32_t next_id(size_t slot);
    void place_conditions(InjectionSpec& spec) const;
    void place_hold(InjectionSpec& spec) const;
    InjectionSlot& find(uint32_t id);
    std::vector<ActiveInjection> active_injections() const;

    mutable std::mutex mutex_;
    std::vector<InjectionSlot> injections_; // never grows
    std::vector<GaugeSlot> gauges_;
    uint32_t generation_, ids_given_ = 0; // of ids: none is used twice
    std::atomic<uint64_t> version_{1};
};

} // namespace steer
