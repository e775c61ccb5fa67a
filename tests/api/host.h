// What a host would write around the C header, for tests.
#pragma once

#include "steer/steer.h"
#include "tiny_model.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#define OK(call) CHECKED_OK(call)
#define CHECKED_OK(call)                                                                                                    \
    do {                                                                                                                    \
        steer_error err{};                                                                                                  \
        const steer_status call_status = (call);                                                                            \
        INFO(#call << ": " << steer_status_name(call_status) << ": " << err.message);                                       \
        REQUIRE(call_status == STEER_OK);                                                                                   \
    } while (false)

// The call must fail with a status, and its words must hold a part.
#define FAILS(call, expected, words)                                                                                        \
    do {                                                                                                                    \
        steer_error err{};                                                                                                  \
        const steer_status call_status = (call);                                                                            \
        INFO(#call << ": " << err.message);                                                                                 \
        CHECK(std::string(steer_status_name(call_status)) == #expected);                                                    \
        CHECK(err.status == expected);                                                                                      \
        CHECK_THAT(err.message, Catch::Contains(words));                                                                    \
    } while (false)

namespace host {

inline const tiny::Folder& folder() {
    static const tiny::Folder one;
    return one;
}

template<class T, void (*release)(T*)> class Owner {
  public:
    Owner() = default;
    explicit Owner(T* handle) : handle_(handle) {}
    Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner& operator=(Owner&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Owner() { release(handle_); }
    operator T*() const { return handle_; }
    T** out() { return &handle_; }

  private:
    T* handle_ = nullptr;
};

using Model = Owner<steer_model, steer_model_free>;
using Vector = Owner<steer_vector, steer_vector_free>;
using Session = Owner<steer_session, steer_session_free>;

inline Model load(int32_t residency = STEER_RESIDENCY_DEVICE, const std::string& path = folder().path(), uint64_t memory = 0) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.residency = residency;
    options.device_memory_max = memory;
    Model model;
    OK(steer_model_load(path.c_str(), &options, model.out(), &err));
    return model;
}

inline Session create(steer_model* model, int32_t context = 0, int32_t chunk = 0, bool twin = false) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.context_max = context;
    options.prefill_chunk = chunk;
    options.twin = twin;
    Session session;
    OK(steer_session_create(model, &options, session.out(), &err));
    return session;
}

inline std::vector<int32_t> encode(steer_model* model, const std::string& text, uint32_t flags = 0) {
    size_t count = 0;
    OK(steer_text_encode(model, text.data(), text.size(), flags, nullptr, 0, &count, &err));
    std::vector<int32_t> ids(count);
    OK(steer_text_encode(model, text.data(), text.size(), flags, ids.data(), ids.size(), &count, &err));
    return ids;
}

inline uint32_t set_tokens(steer_session* session, int32_t position, const std::vector<int32_t>& ids) {
    uint32_t turn = 0;
    OK(steer_session_set_tokens(session, position, ids.data(), nullptr, ids.size(), &turn, &err));
    return turn;
}

// A unit row in direction `axis` for each layer, applied at the output of its block.
inline Vector axis_vector(steer_model* model, size_t axis, int32_t layers = 3, float length = 1.0f) {
    steer_model_info info;
    OK(steer_model_get_info(model, &info, sizeof info, &err));
    const auto hidden = static_cast<size_t>(info.hidden_size);
    std::vector<float> rows(static_cast<size_t>(layers) * hidden, 0.0f);
    for (size_t layer = 0; layer < static_cast<size_t>(layers); layer++) rows[layer * hidden + axis] = length;
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = model;
    options.name = "axis";
    Vector vector;
    OK(steer_vector_create(rows.data(), static_cast<size_t>(layers), hidden, &options, vector.out(), &err));
    return vector;
}

inline steer_generation_options plain_generation() { // no stop tokens, a fixed seed
    static const int32_t none = 0;
    steer_generation_options options;
    steer_generation_options_init(&options, sizeof options, nullptr);
    options.seed = 7;
    options.stop_tokens = &none;
    options.stop_token_count = 0;
    return options;
}

inline void set_generation(steer_session* session, const steer_generation_options& options) {
    OK(steer_session_set_generation(session, &options, &err));
}

inline steer_injection_id inject(steer_session* session, steer_vector* vector, float strength, int32_t begin = 0,
                                 int32_t end = INT32_MAX, int32_t span = STEER_SPAN_ALL, int32_t op = STEER_OP_ADD) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.strength = strength;
    options.layer_begin = begin;
    options.layer_end = end;
    options.span = span;
    options.op = op;
    steer_injection_id id = 0;
    OK(steer_injection_add(session, &options, &id, &err));
    return id;
}

inline steer_gauge_id gauge(steer_session* session, steer_vector* vector, int32_t layer, int32_t reading = STEER_READING_RAW,
                            int32_t tap = STEER_TAP_BEFORE, int32_t metric = STEER_METRIC_DOT, int32_t window = 1) {
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = vector;
    options.layer_begin = layer;
    options.layer_end = layer + 1;
    options.reading = reading;
    options.tap = tap;
    options.metric = metric;
    options.window = window;
    steer_gauge_id id = 0;
    OK(steer_gauge_add(session, &options, &id, &err));
    return id;
}

inline const std::string kPrompt = "tell me about the sea, and be quick";

inline Session start(steer_model* model, const std::string& prompt = kPrompt, int32_t chunk = 0) {
    Session session = create(model, 0, chunk);
    set_generation(session, plain_generation());
    set_tokens(session, 0, encode(model, prompt));
    return session;
}

// A step with what its pointers led to.
struct Step {
    steer_step c;
    std::vector<float> gauges, strengths, prompt_log_probs;
    std::vector<uint8_t> push_free;
    std::vector<steer_candidate> top;
    std::string bytes, text;
};

inline Step keep(const steer_step& c) {
    Step step;
    step.c = c;
    step.gauges.assign(c.gauges, c.gauges + c.gauge_count);
    step.push_free.assign(c.gauge_push_free, c.gauge_push_free + c.gauge_count);
    step.strengths.assign(c.strengths, c.strengths + c.strength_count);
    step.prompt_log_probs.assign(c.prompt_log_probs, c.prompt_log_probs + c.prompt_count);
    step.top.assign(c.top, c.top + c.top_count * std::max(c.prompt_count, 1u));
    step.bytes.assign(c.bytes.data, c.bytes.size);
    step.text.assign(c.text.data, c.text.size);
    return step;
}

inline Step step(steer_session* session) {
    steer_step c;
    OK(steer_session_step(session, &c, sizeof c, &err));
    return keep(c);
}

// Steps until `count` tokens have come, or the turn ends.
inline std::vector<Step> reply(steer_session* session, int count) {
    std::vector<Step> steps;
    for (int tokens = 0; tokens < count;) {
        steps.push_back(step(session));
        if (steps.back().c.token >= 0) tokens++;
        if (steps.back().c.finish != STEER_FINISH_NONE) break;
    }
    return steps;
}

inline std::vector<int32_t> tokens_of(const std::vector<Step>& steps) {
    std::vector<int32_t> tokens;
    for (const Step& one : steps)
        if (one.c.token >= 0) tokens.push_back(one.c.token);
    return tokens;
}

inline std::string text_of(const std::vector<Step>& steps) {
    std::string text;
    for (const Step& one : steps) text += one.text;
    return text;
}

inline bool same_bits(const std::vector<Step>& a, const std::vector<Step>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++) {
        if (a[i].c.token != b[i].c.token) return false;
        if (a[i].c.token >= 0 && (a[i].c.log_prob != b[i].c.log_prob || a[i].c.entropy != b[i].c.entropy)) return false;
    }
    return true;
}

inline steer_session_info info(steer_session* session) {
    steer_session_info info;
    OK(steer_session_get_info(session, &info, sizeof info, &err));
    return info;
}

inline std::vector<int32_t> list(steer_session* session) {
    size_t count = 0;
    OK(steer_session_get_tokens(session, nullptr, nullptr, 0, &count, &err));
    std::vector<int32_t> ids(count);
    OK(steer_session_get_tokens(session, ids.data(), nullptr, ids.size(), &count, &err));
    return ids;
}

} // namespace host
