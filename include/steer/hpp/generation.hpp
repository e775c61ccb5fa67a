// Chapter 11, its data: how replies are sampled, and what a step gives out.
#pragma once

#include "model.hpp"

#include <limits>

namespace steer::inline STEER_HPP_MODE {

struct GenerationOptions {
    std::optional<int32_t> token_max{};
    std::optional<uint64_t> seed{};
    std::optional<float> temperature{}, top_p{}, min_p{}, typical_p{};
    std::optional<int32_t> top_k{};
    std::optional<float> repeat_penalty{}, presence_penalty{}, frequency_penalty{};
    std::optional<int32_t> penalty_window{};
    std::optional<int32_t> top_log_probs{};
    bool prompt_log_probs = false;
    std::optional<Constraint> constraint{};
    std::string constraint_text{};
    std::vector<std::string> stop_texts{};
    std::optional<std::vector<int32_t>> stop_tokens{}; // left out: the model's; empty: none
    std::vector<steer_logit_bias> biases{};
    std::optional<float> kl_budget{};
    std::optional<Guard> guard{};
};

// A steer_step with its pointers as spans. What they show lives until the session's next conversation call.
struct Step : steer_step {
    Finish finish() const { return static_cast<Finish>(steer_step::finish); }
    bool finished() const { return steer_step::finish != STEER_FINISH_NONE; }
    bool is_prompt() const { return (flags & STEER_STEP_PROMPT) != 0; }
    bool text_held() const { return (flags & STEER_STEP_TEXT_HELD) != 0; }
    bool sentence_end() const { return (flags & STEER_STEP_SENTENCE_END) != 0; }
    bool guard_saw() const { return (flags & STEER_STEP_GUARD) != 0; }
    bool hold_limit() const { return (flags & STEER_STEP_HOLD_LIMIT) != 0; }

    std::string_view text() const { return {steer_step::text.data, steer_step::text.size}; }
    std::string_view bytes() const { return {steer_step::bytes.data, steer_step::bytes.size}; }
    std::span<const float> gauges() const { return {steer_step::gauges, gauge_count}; }
    std::span<const uint8_t> gauges_push_free() const { return {gauge_push_free, gauge_count}; }
    std::span<const float> strengths() const { return {steer_step::strengths, strength_count}; }
    std::span<const float> prompt_log_probs() const { return {steer_step::prompt_log_probs, prompt_count}; }
    // The candidates for the token or, with prompt_log_probs, for the prompt token `row`.
    std::span<const steer_candidate> top(size_t row = 0) const { return {steer_step::top + row * top_count, top_count}; }

    float gauge(GaugeId id) const { return value_of(gauges(), id.slot()); } // NaN: unknown
    float strength(InjectionId id) const { return value_of(strengths(), id.slot()); }

    static float value_of(std::span<const float> slots, size_t slot) {
        return slot < slots.size() ? slots[slot] : std::numeric_limits<float>::quiet_NaN();
    }
};
static_assert(sizeof(Step) == sizeof(steer_step), "steer_session_step_many writes an array of them");

namespace detail {

inline void set_generation(steer_session* session, const GenerationOptions& options, const steer_model* model,
                           steer_error& err) {
    steer_generation_options c;
    steer_generation_options_init(&c, sizeof c, model);
    set(c.token_max, options.token_max);
    set(c.seed, options.seed);
    set(c.temperature, options.temperature);
    set(c.top_p, options.top_p);
    set(c.min_p, options.min_p);
    set(c.typical_p, options.typical_p);
    set(c.top_k, options.top_k);
    set(c.repeat_penalty, options.repeat_penalty);
    set(c.presence_penalty, options.presence_penalty);
    set(c.frequency_penalty, options.frequency_penalty);
    set(c.penalty_window, options.penalty_window);
    set(c.top_log_probs, options.top_log_probs);
    if (options.prompt_log_probs) c.prompt_log_probs = 1;
    set(c.constraint, options.constraint);
    c.constraint_text = filled_view(options.constraint_text);
    set(c.kl_budget, options.kl_budget);
    set(c.guard, options.guard);

    std::vector<steer_view> stops;
    for (const std::string& text : options.stop_texts) stops.push_back(view(text));
    c.stop_texts = stops.data();
    c.stop_text_count = stops.size();
    static constexpr int32_t none = 0;
    if (options.stop_tokens) {
        c.stop_tokens = options.stop_tokens->empty() ? &none : options.stop_tokens->data();
        c.stop_token_count = options.stop_tokens->size();
    }
    c.biases = options.biases.data();
    c.bias_count = options.biases.size();
    steer_session_set_generation(session, &c, &err);
}

} // namespace detail
} // namespace steer::inline STEER_HPP_MODE
