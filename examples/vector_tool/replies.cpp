#include "replies.h"

#include "loaded.h"

#include <array>
#include <cmath>

namespace vector_tool {
namespace {

struct FreeSession {
    void operator()(steer_session* session) const { steer_session_free(session); }
};
using Session = std::unique_ptr<steer_session, FreeSession>;

Session start(steer_model* model, const ReplySettings& settings) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.twin = 1;
    steer_session* session = nullptr;
    steer_error error;
    throw_if(steer_session_create(model, &options, &session, &error), error);
    Session owned(session);
    steer_generation_options generation;
    steer_generation_options_init(&generation, sizeof generation, model);
    generation.seed = settings.seed;
    generation.token_max = settings.token_max;
    generation.kl_budget = settings.kl_budget;
    throw_if(steer_session_set_generation(session, &generation, &error), error);
    return owned;
}

void push(steer_session* session, steer_vector* vector, float strength) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.unit = STEER_UNIT_RELATIVE;
    options.strength = strength;
    steer_injection_id id = 0;
    steer_error error;
    throw_if(steer_injection_add(session, &options, &id, &error), error);
}

uint32_t read(steer_session* session, steer_vector* vector, int32_t reading, int32_t scale) {
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = vector;
    options.reading = reading;
    options.scale = scale;
    steer_gauge_id id = 0;
    steer_error error;
    throw_if(steer_gauge_add(session, &options, &id, &error), error);
    return STEER_SLOT(id);
}

void ask(steer_model* model, steer_session* session, const std::string& prompt) {
    const steer_chat_message message{{"user", 4}, {prompt.data(), prompt.size()}, {nullptr, 0}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.flags = STEER_CHAT_OPEN_REPLY;
    chat.messages = &message;
    chat.message_count = 1;
    size_t count = 0;
    steer_error error;
    throw_if(steer_chat_encode(model, &chat, nullptr, nullptr, nullptr, 0, &count, &error), error);
    std::vector<int32_t> ids(count);
    std::vector<uint8_t> marks(count);
    throw_if(steer_chat_encode(model, &chat, nullptr, ids.data(), marks.data(), count, &count, &error), error);
    throw_if(steer_session_set_tokens(session, 0, ids.data(), marks.data(), count, nullptr, &error), error);
}

} // namespace

ReplyTokens make_reply(steer_model* model, steer_vector* vector, const std::string& prompt, const ReplySettings& settings) {
    const Session session = start(model, settings);
    push(session.get(), vector, settings.strength);
    const std::array slots = {read(session.get(), vector, STEER_READING_RAW, STEER_SCALE_NATURAL),
                              read(session.get(), vector, STEER_READING_OWN, STEER_SCALE_NATURAL),
                              read(session.get(), vector, STEER_READING_OWN, STEER_SCALE_CALIBRATED),
                              read(session.get(), vector, STEER_READING_OWN_CORRECTED, STEER_SCALE_CALIBRATED),
                              read(session.get(), vector, STEER_READING_TWIN, STEER_SCALE_CALIBRATED)};
    ask(model, session.get(), prompt);
    ReplyTokens reply;
    steer_step step;
    steer_error error;
    do {
        throw_if(steer_session_step(session.get(), &step, sizeof step, &error), error);
        reply.text.append(step.text.data, step.text.size);
        if (step.token < 0) continue;
        reply.kl.push_back(step.kl);
        reply.surprise.push_back(-step.twin_log_prob);
        reply.own_natural.push_back(step.gauges[slots[1]]);
        reply.raw_natural.push_back(step.gauges[slots[0]]);
        reply.own.push_back(step.gauges[slots[2]]);
        reply.corrected.push_back(step.gauges[slots[3]]);
        reply.twin.push_back(step.gauges[slots[4]]);
    } while (step.finish == STEER_FINISH_NONE);
    reply.ended = step.finish == STEER_FINISH_STOP_TOKEN;
    return reply;
}

} // namespace vector_tool
