// Sessions: the same as the C functions, which are the reference here.
#include "host.h"

#include <cmath>
#include <ranges>

using namespace host;

static_assert(std::ranges::input_range<steer::StepRange>);
static_assert(!std::copy_constructible<steer::Session> && std::movable<steer::Session>);

TEST_CASE("steps are a range that ends at the finish") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model, {.prefill_chunk = 8}), other = session.fork();
    const steer::Vector vector = axis_vector(model, 2);
    for (steer::Session* one : {&session, &other}) {
        one->set_generation(plain(12), &model);
        one->add_injection({.vector = &vector, .strength = 0.5f});
        one->add_gauge({.vector = &vector, .metric = steer::Metric::dot, .window = 1});
        one->set_tokens(0, prompt_of(1, 30));
    }
    const Reference reference = speak(other.get());
    std::string text;
    int tokens = 0, prompts = 0;
    float gauge = NAN;
    steer::Finish last = steer::Finish::none;
    for (const steer::Step& step : session.steps()) {
        CHECK(last == steer::Finish::none);
        last = step.finish();
        text += step.text();
        prompts += step.is_prompt();
        if (step.token < 0) continue;
        tokens++;
        REQUIRE(step.gauges().size() == 1);
        gauge = step.gauges()[0];
        CHECK(step.strengths()[0] == 0.5f);
        CHECK_FALSE(step.bytes().empty());
    }
    CHECK(last == steer::Finish::token_max);
    CHECK(prompts == 4);
    CHECK(text == reference.text);
    CHECK(tokens == reference.tokens);
    CHECK(gauge == reference.gauge);
    CHECK(session.tokens().ids == other.tokens().ids);
    CHECK(session.info().reply_count == 12);
}

TEST_CASE("a range whose step fails throws") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    THROWS(session.steps().begin(), STEER_ERR_STATE, "no tokens");
    THROWS(session.step(), STEER_ERR_STATE, "no tokens");
}

TEST_CASE("values are found by their ids") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    const steer::Vector vector = axis_vector(model, 2);
    const steer::InjectionId gone = session.add_injection({.vector = &vector, .strength = 9.0f});
    const steer::InjectionId slider = session.add_injection({.vector = &vector, .strength = 0.25f, .strength_max = 2.0f});
    const steer::GaugeId gauge = session.add_gauge({.vector = &vector, .layer_begin = 1, .layer_end = 2});
    session.remove(gone);
    session.set_tokens(0, prompt_of(2, 3));
    session.step();
    const steer::Step step = session.step();
    CHECK(slider);
    CHECK_FALSE(steer::GaugeId{});
    CHECK(step.strength(slider) == 0.25f);
    CHECK(std::isnan(step.strength(gone)));
    CHECK(std::isfinite(step.gauge(gauge)));
    CHECK(std::isnan(step.gauge(steer::GaugeId{0x101})));
    session.set_strength(slider, 5.0f);
    CHECK(session.step().strength(slider) == 2.0f);
    THROWS(session.set_strength(gone, 1.0f), STEER_ERR_ARG, "not one of this session");
    THROWS(session.set_strength(slider, NAN), STEER_ERR_ARG, "finite");
    session.remove(gauge);
    THROWS(session.remove(gauge), STEER_ERR_ARG, "removed");
}

TEST_CASE("options that are given arrive, each refused by its name when it is wrong") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    const steer::Vector vector = axis_vector(model, 2);
    const auto inject = [&](const steer::InjectionOptions& options) { return session.add_injection(options); };
    THROWS(inject({}), STEER_ERR_ARG, "vector");
    THROWS(inject({.vector = &vector, .op = static_cast<steer::Op>(9)}), STEER_ERR_ARG, "op");
    THROWS(inject({.vector = &vector, .unit = static_cast<steer::Unit>(9)}), STEER_ERR_ARG, "unit");
    THROWS(inject({.vector = &vector, .span = static_cast<steer::Span>(9)}), STEER_ERR_ARG, "span");
    THROWS(inject({.vector = &vector, .rows = static_cast<steer::Rows>(9)}), STEER_ERR_ARG, "rows");
    THROWS(inject({.vector = &vector, .layer_begin = 2, .layer_end = 2}), STEER_ERR_ARG, "layer_end");
    THROWS(inject({.vector = &vector, .strength = NAN}), STEER_ERR_ARG, "strength");
    THROWS(inject({.vector = &vector, .strength_min = 2.0f, .strength_max = 1.0f}), STEER_ERR_ARG, "strength_min");
    THROWS(inject({.vector = &vector, .layer_scales = {1.0f, 1.0f}}), STEER_ERR_ARG, "layer_scales");
    THROWS(inject({.vector = &vector, .layer_scales = {1.0f, 1.0f}, .layer_begin = 0, .layer_end = 3}), STEER_ERR_ARG, "layer_scales");
    CHECK(inject({.vector = &vector, .layer_scales = {1.0f, 0.5f}, .layer_begin = 1, .layer_end = 3}));
    const auto gauge = [&](const steer::GaugeOptions& options) { return session.add_gauge(options); };
    THROWS(gauge({}), STEER_ERR_ARG, "vector");
    THROWS(gauge({.vector = &vector, .metric = static_cast<steer::Metric>(9)}), STEER_ERR_ARG, "metric");
    THROWS(gauge({.vector = &vector, .reduce = static_cast<steer::Reduce>(9)}), STEER_ERR_ARG, "reduce");
    THROWS(gauge({.vector = &vector, .reading = static_cast<steer::Reading>(9)}), STEER_ERR_ARG, "reading");
    THROWS(gauge({.vector = &vector, .tap = static_cast<steer::Tap>(9)}), STEER_ERR_ARG, "tap");
    THROWS(gauge({.vector = &vector, .scale = static_cast<steer::Scale>(9)}), STEER_ERR_ARG, "scale");
    THROWS(gauge({.vector = &vector, .window = 0}), STEER_ERR_ARG, "window");
    THROWS(gauge({.vector = &vector, .rows = static_cast<steer::Rows>(9)}), STEER_ERR_ARG, "rows");
    const auto sample = [&](const steer::GenerationOptions& options) { session.set_generation(options, &model); };
    THROWS(sample({.token_max = -1}), STEER_ERR_ARG, "token_max");
    THROWS(sample({.temperature = -1.0f}), STEER_ERR_ARG, "temperature");
    THROWS(sample({.top_p = 2.0f}), STEER_ERR_ARG, "top_p");
    THROWS(sample({.min_p = 2.0f}), STEER_ERR_ARG, "min_p");
    THROWS(sample({.typical_p = 2.0f}), STEER_ERR_ARG, "typical_p");
    THROWS(sample({.top_k = -1}), STEER_ERR_ARG, "top_k");
    THROWS(sample({.repeat_penalty = 0.0f}), STEER_ERR_ARG, "repeat_penalty");
    THROWS(sample({.presence_penalty = NAN}), STEER_ERR_ARG, "presence_penalty");
    THROWS(sample({.frequency_penalty = NAN}), STEER_ERR_ARG, "frequency_penalty");
    THROWS(sample({.penalty_window = -2}), STEER_ERR_ARG, "penalty_window");
    THROWS(sample({.top_log_probs = 21}), STEER_ERR_ARG, "top_log_probs");
    THROWS(sample({.constraint = static_cast<steer::Constraint>(9)}), STEER_ERR_ARG, "constraint");
    THROWS(sample({.constraint_text = "{}"}), STEER_ERR_ARG, "constraint_text");
    THROWS(sample({.stop_texts = {"a", ""}}), STEER_ERR_ARG, "stop_texts[1]");
    THROWS(sample({.stop_tokens = {{-4}}}), STEER_ERR_ARG, "stop token");
    THROWS(sample({.biases = {{0, INFINITY}}}), STEER_ERR_ARG, "biases[0]");
    THROWS(sample({.guard = static_cast<steer::Guard>(9)}), STEER_ERR_ARG, "guard");
    const auto create = [&](const steer::SessionOptions& options) { return steer::Session::create(model, options); };
    THROWS(create({.context_max = -1}), STEER_ERR_ARG, "context_max");
    THROWS(create({.prefill_chunk = -1}), STEER_ERR_ARG, "prefill_chunk");
    THROWS(create({.injection_max = 256}), STEER_ERR_ARG, "injection_max");
    THROWS(create({.gauge_max = 256}), STEER_ERR_ARG, "gauge_max");
}

TEST_CASE("generation starts from the model's own settings, or from plain sampling") {
    const steer::Model model = load();
    const auto tokens_with = [&](const auto& set) {
        steer::Session session = steer::Session::create(model);
        set(session);
        session.set_tokens(0, prompt_of(3, 5));
        for (int i = 0; i < 20; i++) session.step();
        return session.tokens().ids;
    };
    const auto in_c = [&](steer_model* from) {
        return tokens_with([&](steer::Session& session) {
            steer_generation_options c;
            steer_generation_options_init(&c, sizeof c, from);
            c.seed = 11;
            REQUIRE(steer_session_set_generation(session.get(), &c, nullptr) == STEER_OK);
        });
    };
    const auto in_cpp = [&](const steer::Model* from) {
        return tokens_with([&](steer::Session& session) { session.set_generation({.seed = 11}, from); });
    };
    CHECK(in_cpp(&model) == in_c(model.get()));
    CHECK(in_cpp(nullptr) == in_c(nullptr));
    CHECK(in_cpp(nullptr) != in_cpp(&model)); // temperature 0.8 and top_p 0.95 draw other tokens
}

TEST_CASE("the list is edited, saved and read") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    CHECK(session.set_tokens(0, prompt_of(4, 6)) == 1);
    CHECK(session.set_tokens(-1, steer::Tokens{.ids = {1, 2}, .marks = {1, 0}}) == 2);
    CHECK(session.tokens().marks == std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 1, 0});
    const std::vector<uint8_t> one_mark{1};
    THROWS(session.set_tokens(0, prompt_of(4, 6), one_mark), STEER_ERR_ARG, "marks");
    CHECK(session.set_tokens(7, std::span<const int32_t>{}) == 3);
    CHECK(session.tokens().ids.size() == 7);
    session.step();
    session.refresh(0);
    CHECK(session.info().computed_count == 0);
    THROWS(session.refresh(100), STEER_ERR_ARG, "position");
    const std::vector<std::byte> state = session.save_state();
    steer::Session restored = steer::Session::create(model);
    restored.load_state(state);
    CHECK(restored.tokens().ids == session.tokens().ids);
    THROWS(restored.load_state(std::span(state).first(4)), STEER_ERR_FORMAT, "");
}

TEST_CASE("several sessions step together") {
    const steer::Model model = load();
    steer::Session first = steer::Session::create(model), second = steer::Session::create(model);
    const steer::Session empty;
    first.set_tokens(0, prompt_of(5, 1));
    second.set_tokens(0, prompt_of(6, 1));
    steer::Session alone = first.fork();
    first.set_generation(plain(5), &model);
    alone.set_generation(plain(5), &model);
    steer::Session* const both[] = {&first, &second, nullptr};
    const steer::StepMany many = steer::Session::step_many(std::span(both).first(2));
    CHECK(many.first_failure.status == STEER_OK);
    REQUIRE(many.steps.size() == 2);
    CHECK(many.steps[0].token == alone.step().token);
    CHECK(many.steps[1].status == STEER_OK);
    const steer::StepMany partly = steer::Session::step_many(both);
    CHECK(partly.steps[0].status == STEER_OK);
    CHECK(partly.steps[2].status == STEER_ERR_ARG);
    CHECK_THAT(partly.first_failure.message, Catch::Contains("ss[2]"));
    const steer::Model strange = load();
    steer::Session other = steer::Session::create(strange);
    steer::Session* const mixed[] = {&first, &other};
    THROWS(steer::Session::step_many(mixed), STEER_ERR_ARG, "another model");
}

TEST_CASE("candidates and prompt scores are spans") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    session.set_generation({.seed = 3, .top_log_probs = 4, .prompt_log_probs = true}, nullptr);
    session.set_tokens(0, prompt_of(8, 6));
    const steer::Step prompt = session.step();
    CHECK(prompt.prompt_log_probs().size() == 6); // up to the token behind the last that was computed
    CHECK(std::isnan(prompt.prompt_log_probs()[0]));
    CHECK(prompt.top(5).size() == 4);
    CHECK(prompt.top(5)[0].log_prob >= prompt.top(5)[1].log_prob);
    const steer::Step step = session.step();
    REQUIRE(step.top().size() == 4);
    CHECK(step.top()[0].log_prob >= step.log_prob);
}

TEST_CASE("cancel ends the turn that it names") {
    const steer::Model model = load();
    steer::Session session = steer::Session::create(model);
    const uint32_t turn = session.set_tokens(0, prompt_of(9, 3));
    session.cancel(turn);
    CHECK(session.step().finish() == steer::Finish::cancelled);
    session.set_tokens(-1, std::vector<int32_t>{65});
    session.cancel(turn); // late
    CHECK_FALSE(session.step().finished());
}
