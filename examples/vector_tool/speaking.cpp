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

Speaker::Speaker(steer_model* model, size_t gauges, const SpeakSettings& settings) : model_(model), variables_(settings.variables) {
    steer_session_options options;
    steer_session_options_init(&options, sizeof options);
    options.twin = 1;
    options.gauge_max = static_cast<int32_t>(gauges);
    steer_session* session = nullptr;
    steer_error error;
    throw_if(steer_session_create(model, &options, &session, &error), error);
    session_.reset(session);
    steer_generation_options generation;
    steer_generation_options_init(&generation, sizeof generation, model);
    generation.token_max = settings.token_max;
    generation.seed = settings.seed;
    throw_if(steer_session_set_generation(session, &generation, &error), error);
}

steer_injection_id Speaker::push(const steer_vector* vector, float strength, int32_t unit) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.strength = strength;
    options.unit = unit;
    steer_injection_id id = 0;
    steer_error error;
    throw_if(steer_injection_add(session_.get(), &options, &id, &error), error);
    return id;
}

void Speaker::set_strength(steer_injection_id id, float strength) {
    const steer_status status = steer_injection_set(session_.get(), id, strength, 0);
    if (status != STEER_OK) throw std::runtime_error(std::string("the strength cannot be set: ") + steer_status_name(status));
}

void Speaker::read(const steer_vector* vector) {
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = vector;
    options.reading = STEER_READING_TWIN;
    options.scale = STEER_SCALE_CALIBRATED;
    options.window = kWindow;
    steer_gauge_id id = 0;
    steer_error error;
    throw_if(steer_gauge_add(session_.get(), &options, &id, &error), error);
    gauges_.push_back(id);
}

void Speaker::hear(const std::string& prompt) {
    messages_.emplace_back("user", prompt);
    open_turn();
}

void Speaker::open_turn() {
    std::vector<steer_chat_message> messages;
    for (const auto& [role, content] : messages_) messages.push_back({view(role), {content.data(), content.size()}, {}});
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.flags = STEER_CHAT_OPEN_REPLY;
    chat.messages = messages.data();
    chat.message_count = messages.size();
    chat.variables = view(variables_);
    size_t count = 0;
    steer_error error;
    throw_if(steer_chat_encode(model_, &chat, session_.get(), nullptr, nullptr, 0, &count, &error), error);
    std::vector<int32_t> ids(count);
    std::vector<uint8_t> marks(count);
    throw_if(steer_chat_encode(model_, &chat, session_.get(), ids.data(), marks.data(), count, &count, &error), error);
    throw_if(steer_session_set_tokens(session_.get(), 0, ids.data(), marks.data(), count, nullptr, &error), error);
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
