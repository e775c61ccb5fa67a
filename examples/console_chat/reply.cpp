#include "reply.h"

#include <chrono>
#include <limits>

namespace chat {

const char* finish_name(int32_t finish) {
    switch (finish) {
    case STEER_FINISH_STOP_TOKEN:
    case STEER_FINISH_STOP_TEXT:
        return "stop";
    case STEER_FINISH_TOKEN_MAX:
        return "length";
    case STEER_FINISH_CONTEXT_FULL:
        return "context";
    case STEER_FINISH_CANCELLED:
        return "cancelled";
    case STEER_FINISH_GUARD:
        return "guard";
    case STEER_FINISH_DEAD_END:
        return "dead_end";
    default:
        return "other"; // a newer library: still the end
    }
}

void ReplyMaker::take(const steer_step& step, double milliseconds) {
    result_.text.append(step.text.data, step.text.size);
    result_.finish = step.finish;
    if (step.token < 0) {
        if (step.text.size > 0 && on_token) on_token({-1, {step.text.data, step.text.size}, 0, 0, {}});
        if ((step.flags & STEER_STEP_PROMPT) != 0 && on_prompt) on_prompt(static_cast<int>(step.pending_count));
        return;
    }
    if (result_.tokens == 0) result_.first_token_ms = milliseconds;
    ++result_.tokens;
    if (result_.tokens > 1) {
        const double seconds = (milliseconds - result_.first_token_ms) / 1000;
        result_.tokens_per_second = seconds > 0 ? (result_.tokens - 1) / seconds : 0;
    }
    if (!on_token) return;
    ReplyToken token{
        step.token, {step.text.data, step.text.size}, step.log_prob, std::numeric_limits<float>::quiet_NaN(), {}};
    if (persona_ != nullptr) {
        token.strength = persona_->strength_in(step);
        token.gauges = persona_->values_in(step);
    }
    on_token(token);
}

ReplyResult ReplyMaker::run(const std::vector<Message>& messages) {
    result_ = {};
    const auto start = std::chrono::steady_clock::now();
    const Prompt prompt = encode_chat(model_, session_, messages);
    uint32_t turn = 0;
    steer_error error{};
    check(
        steer_session_set_tokens(session_, 0, prompt.ids.data(), prompt.marks.data(), prompt.ids.size(), &turn, &error),
        error, "the conversation");
    if (stopped()) steer_session_cancel(session_, turn); // a Ctrl-C that came before the turn began
    while (result_.finish == STEER_FINISH_NONE) {
        steer_step step;
        check(steer_session_step(session_, &step, sizeof step, &error), error, "the reply");
        const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - start;
        take(step, passed.count());
    }
    return result_;
}

} // namespace chat
