// Tables of what a host may do wrong: a call, the status it must have, a part of its words. After each the session that it was
// done to still speaks.
#pragma once

#include "host.h"

#include <cstring>
#include <functional>

namespace host {

struct Bench {
    steer_model* model;
    Session session;
    Vector vector;
    steer_injection_id injection = 0;
    steer_gauge_id gauge_id = 0;
    uint32_t turn = 0;

    Bench() : model(shared_model()), session(create(model)), vector(axis_vector(model, 0)) {
        set_generation(session, plain_generation());
        turn = set_tokens(session, 0, {'a', 'b', 'c'});
        injection = inject(session, vector, 0.5f);
        gauge_id = gauge(session, vector, 1);
    }
    static steer_model* shared_model() {
        static const Model one = load();
        return one;
    }
};

struct Misuse {
    const char* name;
    steer_status expected;
    const char* words;
    std::function<steer_status(Bench&, steer_error*)> call;
};

inline void check_refused(const char* name, steer_status status, const steer_error& error, steer_status expected, const char* words) {
    INFO(name << ": " << error.message);
    CHECK(std::string(steer_status_name(status)) == steer_status_name(expected));
    CHECK(error.status == status);
    CHECK_THAT(error.message, Catch::Contains(words));
}

inline void check_misuses(const std::vector<Misuse>& cases) {
    for (const Misuse& one : cases) {
        Bench bench;
        steer_error error;
        std::memset(&error, 0xee, sizeof error);
        check_refused(one.name, one.call(bench, &error), error, one.expected, one.words);
        INFO(one.name << ", and then a step");
        CHECK(step(bench.session).c.status == STEER_OK);
        CHECK(step(bench.session).c.token >= 0);
    }
}

// Every function that takes a handle, as a call with this handle and nothing else wrong.
struct HandleFunction {
    const char* name;
    std::function<steer_status(Bench&, void* handle, steer_error*)> call;
};
std::vector<HandleFunction> model_functions();
std::vector<HandleFunction> vector_functions();
std::vector<HandleFunction> session_functions();

// Options as init makes them, changed.
template<class Change> steer_model_options model_options(Change change) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.residency = STEER_RESIDENCY_NONE;
    change(options);
    return options;
}
template<class Change> steer_status load_with(steer_error* error, Change change) {
    const steer_model_options options = model_options(change);
    steer_model* out = nullptr;
    const steer_status status = steer_model_load(folder().path().c_str(), &options, &out, error);
    CHECK((out != nullptr) == (status == STEER_OK));
    steer_model_free(out);
    return status;
}
template<class Change> steer_status create_with(const Bench& bench, steer_error* error, Change change) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    change(options);
    Session out;
    return steer_session_create(bench.model, &options, out.out(), error);
}
template<class Change> steer_status inject_with(Bench& bench, steer_error* error, Change change) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = bench.vector;
    change(options);
    steer_injection_id id = 0;
    return steer_injection_add(bench.session, &options, &id, error);
}
template<class Change> steer_status gauge_with(Bench& bench, steer_error* error, Change change) {
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = bench.vector;
    change(options);
    steer_gauge_id id = 0;
    return steer_gauge_add(bench.session, &options, &id, error);
}
template<class Change> steer_status sample_with(Bench& bench, steer_error* error, Change change) {
    steer_generation_options options = plain_generation();
    change(options);
    return steer_session_set_generation(bench.session, &options, error);
}
template<class Change> steer_status extract_with(Bench& bench, steer_error* error, Change change) {
    steer_contrast_pair pairs[2]{};
    for (auto& pair : pairs) {
        pair.positive.reply = {"oh yes", 6};
        pair.negative.reply = {"no", 2};
        pair.group = static_cast<uint64_t>(&pair - pairs);
    }
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    options.pooling = STEER_POOL_LAST;
    options.holdout = 0.0f;
    change(options);
    Vector out;
    return steer_vector_extract(bench.model, pairs, 2, &options, out.out(), error);
}
template<class Change> steer_status vector_with(Bench& bench, steer_error* error, Change change) {
    static const float rows[16] = {1.0f};
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = bench.model;
    change(options);
    Vector out;
    return steer_vector_create(rows, 1, 16, &options, out.out(), error);
}
template<class Change> steer_status format_with(steer_model* model, steer_error* error, Change change) {
    static const steer_chat_message message{{"user", 4}, {"hi", 2}, {nullptr, 0}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.messages = &message;
    chat.message_count = 1;
    change(chat);
    size_t size = 0;
    return steer_chat_format(model, &chat, nullptr, 0, &size, error);
}

} // namespace host
