#include "session.h"

#include "loaded.h"
#include "loading.h"

namespace vector_tool {

OpenSession open_session(steer_model* model, const SessionSettings& settings) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.twin = 1;
    options.gauge_max = settings.gauge_max;
    steer_session* session = nullptr;
    steer_error error;
    throw_if(steer_session_create(model, &options, &session, &error), error);
    OpenSession owned(session);
    steer_generation_options generation;
    steer_generation_options_init(&generation, sizeof generation, model);
    generation.seed = settings.seed;
    generation.token_max = settings.token_max;
    generation.kl_budget = settings.kl_budget;
    throw_if(steer_session_set_generation(session, &generation, &error), error);
    return owned;
}

steer_injection_id add_push(steer_session* session, const steer_vector* vector, float strength, int32_t unit) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.strength = strength;
    options.unit = unit;
    steer_injection_id id = 0;
    steer_error error;
    throw_if(steer_injection_add(session, &options, &id, &error), error);
    return id;
}

steer_gauge_id add_gauge(steer_session* session, const steer_vector* vector, int32_t reading, int32_t scale, int32_t window) {
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = vector;
    options.reading = reading;
    options.scale = scale;
    options.window = window;
    steer_gauge_id id = 0;
    steer_error error;
    throw_if(steer_gauge_add(session, &options, &id, &error), error);
    return id;
}

void open_turn(steer_model* model, steer_session* session, const std::vector<steer_chat_message>& messages, const std::string& variables) {
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.flags = STEER_CHAT_OPEN_REPLY;
    chat.messages = messages.data();
    chat.message_count = messages.size();
    chat.variables = view(variables);
    size_t count = 0;
    steer_error error;
    throw_if(steer_chat_encode(model, &chat, session, nullptr, nullptr, 0, &count, &error), error);
    std::vector<int32_t> ids(count);
    std::vector<uint8_t> marks(count);
    throw_if(steer_chat_encode(model, &chat, session, ids.data(), marks.data(), count, &count, &error), error);
    throw_if(steer_session_set_tokens(session, 0, ids.data(), marks.data(), count, nullptr, &error), error);
}

} // namespace vector_tool
