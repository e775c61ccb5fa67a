// One reply: encode the conversation, hand it to the session, step until it ends.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "persona.h"

namespace chat {

struct ReplyToken {
    int32_t id = -1;
    std::string text;
    float log_prob = 0, strength = 0; // NaN: no persona
    std::vector<GaugeValue> gauges;   // in the order of the persona's gauges
};

struct ReplyResult {
    std::string text;
    int32_t finish = STEER_FINISH_NONE;
    int tokens = 0;
    double tokens_per_second = 0, first_token_ms = 0;
};

const char* finish_name(int32_t finish); // stop, length, context, cancelled, guard, dead_end

class ReplyMaker {
  public:
    ReplyMaker(steer_model* model, steer_session* session, const Persona* persona)
        : model_(model), session_(session), persona_(persona) {}

    std::function<void(const ReplyToken&)> on_token;
    std::function<void(int pending)> on_prompt;           // prompt tokens that are still to compute
    std::function<bool()> stopped = [] { return false; }; // asked once, before the first step

    // Throws EngineError; what was said before stays in partial_text().
    ReplyResult run(const std::vector<Message>& messages);
    const std::string& partial_text() const { return result_.text; }

  private:
    void take(const steer_step& step, double milliseconds);

    steer_model* model_;
    steer_session* session_;
    const Persona* persona_;
    ReplyResult result_;
};

} // namespace chat
