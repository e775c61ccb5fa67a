#include "replies.h"

#include "loaded.h"
#include "session.h"

#include <array>

namespace vector_tool {

ReplyTokens make_reply(steer_model* model, steer_vector* vector, const std::string& prompt, const ReplySettings& settings) {
    const OpenSession session = open_session(model, {.seed = settings.seed, .token_max = settings.token_max, .kl_budget = settings.kl_budget});
    add_push(session.get(), vector, settings.strength, STEER_UNIT_RELATIVE);
    const auto read = [&](int32_t reading, int32_t scale) { return STEER_SLOT(add_gauge(session.get(), vector, reading, scale)); };
    const std::array slots = {read(STEER_READING_RAW, STEER_SCALE_NATURAL),
                              read(STEER_READING_OWN, STEER_SCALE_NATURAL),
                              read(STEER_READING_OWN, STEER_SCALE_CALIBRATED),
                              read(STEER_READING_OWN_CORRECTED, STEER_SCALE_CALIBRATED),
                              read(STEER_READING_TWIN, STEER_SCALE_CALIBRATED)};
    open_turn(model, session.get(), {{{"user", 4}, {prompt.data(), prompt.size()}, {}}}, "");
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
