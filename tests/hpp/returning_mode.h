// The same use of the headers in each mode that returns results: nullptr, or what was not as it should be.
#pragma once

#include "steer/steer.hpp"

#include <string>
#include <vector>

namespace {

#define EXPECT(condition)                                                                                                   \
    if (!(condition)) return #condition

const char* use_results(const char* folder) {
    const steer::Result<steer::Model> nowhere = steer::Model::load("/nowhere/at all");
    EXPECT(!nowhere);
    EXPECT(nowhere.error().status == STEER_ERR_IO);
    EXPECT(std::string(nowhere.error().message).find("/nowhere/at all") != std::string::npos);

    steer::Result<steer::Model> model = steer::Model::load(folder, {.device = "cpu"});
    EXPECT(model && model.error().status == STEER_OK);
    EXPECT(model->info()->layer_count == 3);
    EXPECT(*model->text(steer::ModelText::architecture) == "Qwen2ForCausalLM");
    EXPECT(*model->decode(*model->encode("hello")) == "hello");
    const std::vector<float> rows(48, 0.5f);
    steer::Result<steer::Vector> vector = steer::Vector::create(rows, 16, {.model = &*model});
    EXPECT(vector && vector->layer(1)->values.size() == 16);
    EXPECT(steer::Vector::create(rows, 7).error().status == STEER_ERR_ARG);

    steer::Result<steer::Session> made = steer::Session::create(*model);
    EXPECT(made);
    steer::Session session = *std::move(made);
    EXPECT(session.set_generation({.token_max = 5, .seed = 7}, nullptr));
    const steer::Result<steer::InjectionId> slider = session.add_injection({.vector = &*vector, .strength = 0.25f});
    EXPECT(slider && session.set_strength(*slider, 0.5f));
    EXPECT(!session.set_strength(*slider, 1.0f, -1));
    steer::StepRange failing = session.steps();
    for (const steer::Step& step : failing) return step.finished() ? "a step" : "a step without tokens";
    EXPECT(failing.error().status == STEER_ERR_STATE);

    const std::vector<steer::Message> talk{{.role = "user", .content = "hi"}};
    const auto tokens = model->encode_chat(talk, {.open_reply = true}, &session);
    EXPECT(tokens && *session.set_tokens(0, *tokens) == 1);
    std::string by_range, by_call;
    auto twin = session.fork();
    steer::StepRange steps = session.steps();
    for (const steer::Step& step : steps) by_range += step.text();
    EXPECT(steps.error().status == STEER_OK);
    EXPECT(twin->generate([&](const steer::Step& step) { by_call += step.text(); }));
    EXPECT(!by_range.empty() && by_range == by_call);

    auto worker = steer::Worker::create(*model, *session.fork(), steer::WorkerThread::host);
    EXPECT(worker);
    const uint32_t turn = worker->post(talk);
    while (worker->work()) {}
    steer::Update update;
    EXPECT(worker->poll(update));
    EXPECT(update.turn == turn && update.token_count == 5 && update.finish == steer::Finish::token_max);
    return nullptr;
}

} // namespace
