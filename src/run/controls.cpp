#include "run/controls.h"

#include "files/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

namespace steer {
namespace {

// The word of a set: value 32 bits, ramp 18, count of sets 2, generation of the id 12. The generation makes a set that was
// meant for a removed injection fail where its slot has been given to another.
constexpr uint32_t kRampMax = (1u << 18) - 1;
constexpr uint32_t kGenerationMax = (1u << 24) - 1;

// Where the ids of a session begin: far from those of others (golden section), so that one which came from another
// session is found out.
uint32_t first_generation() {
    static std::atomic<uint32_t> sessions{0};
    return sessions.fetch_add(1, std::memory_order_relaxed) * 0x9e3779u & kGenerationMax;
}

uint64_t generation_bits(uint32_t id) { return static_cast<uint64_t>(id >> 8 & 0xfffu) << 52; }

uint64_t make_word(uint32_t id, float value, uint32_t ramp, uint64_t before) {
    const uint64_t count = ((before >> 50) + 1) & 3u;
    return std::bit_cast<uint32_t>(value) | static_cast<uint64_t>(ramp) << 32 | count << 50 | generation_bits(id);
}

bool is_of(uint64_t word, uint32_t id) { return word >> 52 == generation_bits(id) >> 52; }

Command read_word(uint64_t word) {
    return {std::bit_cast<float>(static_cast<uint32_t>(word)), static_cast<uint32_t>(word >> 32) & kRampMax, word};
}

uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
    return hash ^ (hash >> 32);
}

} // namespace

SteeringKey steering_key(std::vector<PushedAmount> pushes, SpanMask span) {
    std::erase_if(pushes, [&](const PushedAmount& push) { return push.strength == 0.0f || !(push.span & span); });
    std::sort(pushes.begin(), pushes.end(), [](const PushedAmount& a, const PushedAmount& b) {
        return std::tuple(a.effect, a.strength) < std::tuple(b.effect, b.strength);
    });
    SteeringKey result;
    for (const PushedAmount& push : pushes) {
        result.key = mix(mix(result.key + 1, push.effect), std::bit_cast<uint32_t>(push.strength)) | 1;
        result.lowest_site = std::min(result.lowest_site, push.lowest_site);
    }
    return result;
}

SteeringKey KeyMemo::at(SpanMask span, ConditionBits bits) {
    Known& last = span == kSpanReply ? reply_ : prompt_;
    if (last.known && last.bits.rules == bits.rules && last.bits.gates == bits.gates) return last.key;
    std::vector<PushedAmount> acting;
    for (const PushedAmount& push : pushes_)
        if (!push.spec || acts(*push.spec, bits)) acting.push_back(push);
    last = {true, bits, steering_key(std::move(acting), span)};
    return last.key;
}

Controls::Controls(int32_t injection_max, int32_t gauge_max)
    : injections_(static_cast<size_t>(injection_max)),
      gauges_(static_cast<size_t>(gauge_max)),
      generation_(first_generation()) {}

Controls::Controls(const Controls& other) : injections_(other.injections_.size()) {
    const std::lock_guard lock(other.mutex_);
    for (size_t i = 0; i < injections_.size(); i++) {
        const InjectionSlot& from = other.injections_[i];
        injections_[i].id = from.id.load();
        injections_[i].word = from.word.load();
        injections_[i].min = from.min.load();
        injections_[i].max = from.max.load();
        injections_[i].spec = from.spec;
        injections_[i].effect = from.effect;
        injections_[i].first_word = from.first_word;
        injections_[i].lowest_site = from.lowest_site;
    }
    gauges_ = other.gauges_;
    generation_ = other.generation_;
    ids_given_ = other.ids_given_;
    version_ = other.version_.load();
}

uint32_t Controls::next_id(size_t slot) {
    if (ids_given_ == kGenerationMax)
        fail(STEER_ERR_STATE, "this session has given out all {} ids it has; fork does not help, create a new one",
             kGenerationMax);
    ids_given_++;
    generation_ = generation_ == kGenerationMax ? 1 : generation_ + 1; // 0 is null
    return generation_ << 8 | static_cast<uint32_t>(slot);
}

// Finds what the conditions read and gives each its bit.
void Controls::place_conditions(InjectionSpec& spec) const {
    ConditionOwners taken;
    for (const InjectionSlot& slot : injections_)
        if (slot.spec) taken.note(slot.id, *slot.spec);
    for (ConditionSpec& one : spec.conditions) {
        const auto gauge = std::find_if(gauges_.begin(), gauges_.end(), [&](const GaugeSlot& slot) { return slot.id == one.gauge; });
        if (one.gauge == 0 || gauge == gauges_.end())
            fail(STEER_ERR_ARG, "conditions: gauge {:#x} is not one of this session, or it was removed", one.gauge);
        one.reads = gauge->spec;
        check_condition(one, spec);
        BitOwners& owners = one.same_pass ? taken.gates : taken.rules;
        const auto bit = std::find(owners.begin(), owners.end(), 0u);
        if (bit == owners.end())
            fail(STEER_ERR_STATE, "conditions: this session has {} of {} already: remove some", kConditionBits,
                 one.same_pass ? "the SAME_PASS" : "WHEN_LAST_STEP");
        *bit = UINT32_MAX; // taken
        one.bit = static_cast<int32_t>(bit - owners.begin());
    }
}

// The gauge that a strength follows must be of this session, and hold nothing of the push itself.
void Controls::place_hold(InjectionSpec& spec) const {
    if (spec.hold.gauge == 0) return;
    const auto gauge = std::find_if(gauges_.begin(), gauges_.end(), [&](const GaugeSlot& slot) { return slot.id == spec.hold.gauge; });
    if (gauge == gauges_.end()) fail(STEER_ERR_ARG, "hold_gauge {:#x} is not one of this session, or it was removed", spec.hold.gauge);
    const Reading reading = gauge->spec->reading;
    const bool below = highest_site(*gauge->spec) < lowest_site(spec);
    if (reading != Reading::corrected && reading != Reading::twin && !below)
        fail(STEER_ERR_ARG, "hold_gauge {:#x} holds the push itself: it must read OWN_CORRECTED or TWIN, or below the injection",
             spec.hold.gauge);
    if (!gauge->spec->calibrated)
        fail(STEER_ERR_ARG, "hold_gauge {:#x} is on the natural scale: hold_target is on the calibrated one", spec.hold.gauge);
    if (gauge->spec->vector->fingerprint != spec.vector->fingerprint)
        fail(STEER_ERR_ARG, "hold_gauge {:#x} reads another vector than is pushed: how it answers is not known", spec.hold.gauge);
    const Calibration& known = *spec.vector->calibration;
    spec.hold.slope = (reading == Reading::corrected ? known.slope_corrected : known.slope_twin) * spec.relative;
    if (!(spec.hold.slope > 0.0f))
        fail(STEER_ERR_UNSUPPORTED, "hold_gauge {:#x}: the calibration does not know how it answers a strength: calibrate with pairs that "
                                    "have prompts", spec.hold.gauge);
}

uint32_t Controls::add_injection(InjectionSpec spec, float strength, float strength_min, float strength_max) {
    const uint64_t effect = effect_key(spec);
    const int32_t lowest = lowest_site(spec);
    const std::lock_guard lock(mutex_);
    place_conditions(spec);
    place_hold(spec);
    auto shared = std::make_shared<const InjectionSpec>(std::move(spec));
    const auto slot = std::find_if(injections_.begin(), injections_.end(), [](const auto& one) { return !one.spec; });
    if (slot == injections_.end())
        fail(STEER_ERR_STATE, "all {} injections of this session are in use: remove one, or raise injection_max",
             injections_.size());
    std::vector<const InjectionSpec*> there;
    for (const InjectionSlot& one : injections_)
        if (one.spec) there.push_back(one.spec.get());
    check_intervals(*shared, there);
    const uint32_t id = next_id(static_cast<size_t>(slot - injections_.begin()));
    slot->min = strength_min;
    slot->max = strength_max;
    slot->first_word = make_word(id, std::clamp(strength, strength_min, strength_max), 0, slot->word);
    slot->word = slot->first_word;
    slot->spec = std::move(shared);
    slot->effect = effect;
    slot->lowest_site = lowest;
    slot->id.store(id, std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
    return id;
}

Controls::InjectionSlot& Controls::find(uint32_t id) {
    const size_t slot = STEER_SLOT(id);
    if (id == 0 || slot >= injections_.size() || injections_[slot].id.load() != id)
        fail(STEER_ERR_ARG, "injection {:#x} is not one of this session, or it was removed", id);
    return injections_[slot];
}

void Controls::remove_injection(uint32_t id) {
    std::shared_ptr<const InjectionSpec> spec; // ends after the lock
    const std::lock_guard lock(mutex_);
    InjectionSlot& slot = find(id);
    slot.id = 0;
    spec = std::move(slot.spec);
    version_.fetch_add(1, std::memory_order_release);
}

uint32_t Controls::add_gauge(GaugeSpec spec) {
    auto shared = std::make_shared<const GaugeSpec>(std::move(spec));
    const std::lock_guard lock(mutex_);
    const auto slot = std::find_if(gauges_.begin(), gauges_.end(), [](const auto& one) { return !one.spec; });
    if (slot == gauges_.end())
        fail(STEER_ERR_STATE, "all {} gauges of this session are in use: remove one, or raise gauge_max", gauges_.size());
    slot->id = next_id(static_cast<size_t>(slot - gauges_.begin()));
    slot->spec = std::move(shared);
    version_.fetch_add(1, std::memory_order_release);
    return slot->id;
}

void Controls::remove_gauge(uint32_t id) {
    std::shared_ptr<const GaugeSpec> spec; // ends after the lock
    const std::lock_guard lock(mutex_);
    const size_t slot = STEER_SLOT(id);
    if (id == 0 || slot >= gauges_.size() || gauges_[slot].id != id)
        fail(STEER_ERR_ARG, "gauge {:#x} is not one of this session, or it was removed", id);
    for (const InjectionSlot& one : injections_)
        if (one.spec && one.spec->hold.gauge == id)
            fail(STEER_ERR_STATE, "gauge {:#x} is held by injection {:#x}: remove that one first", id, one.id.load());
    for (const InjectionSlot& one : injections_)
        if (one.spec)
            for (const ConditionSpec& condition : one.spec->conditions)
                if (condition.gauge == id)
                    fail(STEER_ERR_STATE, "gauge {:#x} decides a condition of injection {:#x}: remove that one first", id,
                         one.id.load());
    gauges_[slot].id = 0;
    spec = std::move(gauges_[slot].spec);
    version_.fetch_add(1, std::memory_order_release);
}

steer_status Controls::set_strength(uint32_t id, float value, int32_t ramp_tokens) noexcept {
    const size_t index = STEER_SLOT(id);
    if (!std::isfinite(value) || ramp_tokens < 0 || id == 0 || index >= injections_.size()) return STEER_ERR_ARG;
    InjectionSlot& slot = injections_[index];
    uint64_t word = slot.word.load();
    if (slot.id.load() != id) return STEER_ERR_ARG;
    const float kept = std::clamp(value, slot.min.load(), slot.max.load());
    const uint32_t ramp = std::min(static_cast<uint32_t>(ramp_tokens), kRampMax);
    do {
        if (!is_of(word, id)) return STEER_ERR_ARG; // removed, and its slot given to another
    } while (!slot.word.compare_exchange_weak(word, make_word(id, kept, ramp, word)));
    return STEER_OK;
}

Command Controls::command(uint32_t id, uint64_t known_word) const {
    const uint64_t word = injections_[STEER_SLOT(id)].word.load();
    return read_word(is_of(word, id) ? word : known_word);
}

ControlsView Controls::view() const {
    const std::lock_guard lock(mutex_);
    ControlsView view;
    view.version = version_.load();
    view.injections = active_injections();
    for (const ActiveInjection& one : view.injections) view.owners.note(one.id, *one.spec);
    for (const GaugeSlot& slot : gauges_)
        if (slot.spec) view.gauges.push_back({slot.id, slot.spec});
    if (!view.injections.empty()) view.injection_slots = STEER_SLOT(view.injections.back().id) + 1;
    if (!view.gauges.empty()) view.gauge_slots = STEER_SLOT(view.gauges.back().id) + 1;
    return view;
}

std::vector<ActiveInjection> Controls::active_injections() const {
    std::vector<ActiveInjection> active;
    for (const InjectionSlot& slot : injections_)
        if (slot.spec) active.push_back({slot.id.load(), slot.spec, slot.effect, slot.lowest_site, read_word(slot.first_word)});
    return active;
}

float FrozenStrengths::of(uint32_t injection, const InjectionSpec& spec, float set) const {
    if (spec.hold.gauge == 0) return guard * set;
    const auto found = std::find_if(held.begin(), held.end(), [&](const auto& one) { return one.first == injection; });
    return guard * (found == held.end() ? spec.hold.start : found->second);
}

SettledSteering Controls::settled(const FrozenStrengths& frozen) const {
    const std::lock_guard lock(mutex_);
    SettledSteering settled;
    for (const InjectionSlot& slot : injections_) {
        if (!slot.spec) continue;
        settled.injections.push_back({slot.effect, slot.lowest_site, slot.spec->span,
                                      frozen.of(slot.id, *slot.spec, read_word(slot.word).value), slot.spec});
        settled.owners.note(slot.id, *slot.spec);
    }
    return settled;
}

} // namespace steer
