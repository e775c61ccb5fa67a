#include "speaking.h"

#include "loaded.h"
#include "loading.h"
#include "mean.h"

namespace vector_tool {
namespace {

constexpr int32_t kWindow = 8;

struct Sums {
    Mean kl;
    std::vector<Mean> gauges;
};

void take(const steer_step& step, const std::vector<steer_gauge_id>& gauges, ReplyMeans& reply, Sums& sums) {
    reply.text.append(step.text.data, step.text.size);
    if (step.token < 0) return;
    reply.tokens++;
    sums.kl.add(step.kl);
    for (size_t i = 0; i < gauges.size(); i++) sums.gauges[i].add(step.gauges[STEER_SLOT(gauges[i])]);
}

} // namespace

Speaker::Speaker(steer_model* model, size_t gauges, const SpeakSettings& settings)
    : model_(model),
      session_(open_session(model, {.seed = settings.seed, .token_max = settings.token_max, .gauge_max = static_cast<int32_t>(gauges)})),
      variables_(settings.variables) {}

steer_injection_id Speaker::push(const steer_vector* vector, float strength, int32_t unit) {
    return add_push(session_.get(), vector, strength, unit);
}

void Speaker::set_strength(steer_injection_id id, float strength) {
    const steer_status status = steer_injection_set(session_.get(), id, strength, 0);
    if (status != STEER_OK) throw std::runtime_error(std::string("the strength cannot be set: ") + steer_status_name(status));
}

void Speaker::read(const steer_vector* vector) {
    gauges_.push_back(add_gauge(session_.get(), vector, STEER_READING_TWIN, STEER_SCALE_CALIBRATED, kWindow));
}

void Speaker::hear(const std::string& prompt) {
    messages_.emplace_back("user", prompt);
    std::vector<steer_chat_message> messages;
    for (const auto& [role, content] : messages_) messages.push_back({view(role), {content.data(), content.size()}, {}});
    open_turn(model_, session_.get(), messages, variables_);
}

std::vector<ReplyMeans> reply_together(const std::vector<Speaker*>& speakers) {
    std::vector<ReplyMeans> replies(speakers.size());
    std::vector<Sums> sums(speakers.size());
    std::vector<size_t> speaking;
    for (size_t i = 0; i < speakers.size(); i++) {
        sums[i].gauges.resize(speakers[i]->gauges_.size());
        speaking.push_back(i);
    }
    std::vector<steer_step> steps(speakers.size());
    while (!speaking.empty()) {
        std::vector<steer_session*> sessions;
        for (const size_t i : speaking) sessions.push_back(speakers[i]->session_.get());
        steer_error error;
        error.message[0] = '\0';
        throw_if(steer_session_step_many(sessions.data(), sessions.size(), steps.data(), sizeof(steer_step), &error), error);
        std::vector<size_t> going_on;
        for (size_t row = 0; row < speaking.size(); row++) {
            const size_t i = speaking[row];
            throw_if(steps[row].status, error);
            take(steps[row], speakers[i]->gauges_, replies[i], sums[i]);
            if (steps[row].finish == STEER_FINISH_NONE) going_on.push_back(i);
        }
        speaking = std::move(going_on);
    }
    for (size_t i = 0; i < speakers.size(); i++) {
        replies[i].kl = sums[i].kl.value();
        for (const Mean& gauge : sums[i].gauges) replies[i].gauges.push_back(gauge.value());
        speakers[i]->messages_.emplace_back("assistant", replies[i].text);
    }
    return replies;
}

} // namespace vector_tool
