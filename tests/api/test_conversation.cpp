// A conversation through the C door: prompt pieces, replies, determinism, rewinds, forks, batches.
#include "host.h"

#include <numeric>

using namespace host;

namespace {

std::vector<int32_t> prompt_of(int length, int seed = 1) {
    std::vector<int32_t> ids;
    for (int i = 0; i < length; i++) ids.push_back((i * 31 + seed * 17 + i * i % 7) % 256);
    return ids;
}

std::vector<int32_t> run_cold(steer_model* model, const std::vector<int32_t>& prompt, int count, int32_t chunk = 0) {
    Session session = create(model, 0, chunk);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt);
    return tokens_of(reply(session, count));
}

} // namespace

TEST_CASE("a model opens without weights; sessions wait for them") {
    Model model = load(STEER_RESIDENCY_NONE);
    steer_model_info what;
    OK(steer_model_get_info(model, &what, sizeof what, &err));
    CHECK(what.layer_count == 3);
    CHECK(what.hidden_size == 16);
    CHECK(what.residency == STEER_RESIDENCY_NONE);
    CHECK(what.weight_bytes > 0);
    Session session = create(model);
    set_tokens(session, 0, encode(model, "hello"));
    steer_step out;
    FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_STATE, "residency");
    CHECK(out.status == STEER_ERR_STATE);

    OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
    const Step prompt = step(session);
    CHECK((prompt.c.flags & STEER_STEP_PROMPT) != 0);
    CHECK(prompt.c.token == -1);
    CHECK(prompt.c.pending_count == 0);
    const Step first = step(session);
    CHECK(first.c.token >= 0);
    CHECK(first.c.token < tiny::kRealVocabulary);
    CHECK(first.c.log_prob < 0.0f);
    CHECK(std::isnan(first.c.kl));
    CHECK(info(session).computed_count == info(session).token_count - 1);

    SECTION("and go on after the weights were away") {
        const std::vector<int32_t> before = list(session);
        Session other = create(model);
        set_generation(other, plain_generation());
        set_tokens(other, 0, before);
        const auto uninterrupted = tokens_of(reply(other, 6));
        set_generation(session, plain_generation());
        OK(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err));
        CHECK(info(session).computed_count == 0);
        FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_STATE, "residency");
        OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
        CHECK(list(session) == before);
        CHECK(tokens_of(reply(session, 6)) == uninterrupted);
    }
}

TEST_CASE("equal seeds give equal tokens, other seeds others") {
    Model model = load();
    const auto prompt = prompt_of(20);
    const auto tokens = run_cold(model, prompt, 40);
    REQUIRE(tokens.size() == 40);
    CHECK(run_cold(model, prompt, 40) == tokens);
    Session session = create(model);
    steer_generation_options options = plain_generation();
    options.seed = 8;
    set_generation(session, options);
    set_tokens(session, 0, prompt);
    CHECK(tokens_of(reply(session, 40)) != tokens);
}

TEST_CASE("a prompt in pieces is the prompt in one") {
    Model model = load();
    const auto prompt = prompt_of(150);
    const auto whole = run_cold(model, prompt, 30, 1000);
    const int32_t chunk = GENERATE(1, 7, 63, 64, 65, 149, 150);
    CHECK(run_cold(model, prompt, 30, chunk) == whole);
}

TEST_CASE("pieces of a prompt are bounded and counted") {
    Model model = load();
    Session session = create(model, 0, 10);
    set_tokens(session, 0, prompt_of(25));
    std::vector<uint32_t> pending;
    for (int i = 0; i < 3; i++) {
        const Step one = step(session);
        CHECK((one.c.flags & STEER_STEP_PROMPT) != 0);
        pending.push_back(one.c.pending_count);
    }
    CHECK(pending == std::vector<uint32_t>{14, 4, 0});
    CHECK(step(session).c.position == 25);
}

TEST_CASE("what was rewound reads like a cold run") {
    Model model = load();
    const auto prompt = prompt_of(90);
    Session session = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt);
    reply(session, 50);

    SECTION("to the prompt") {
        set_tokens(session, 90, {});
        CHECK(info(session).computed_count == 89);
        CHECK(tokens_of(reply(session, 20)) == run_cold(model, prompt, 20));
    }
    SECTION("into the prompt, and on with other words") {
        auto other = prompt;
        other.resize(70);
        const auto more = prompt_of(10, 5);
        other.insert(other.end(), more.begin(), more.end());
        set_tokens(session, 70, more);
        CHECK(info(session).computed_count == 70);
        CHECK(tokens_of(reply(session, 20)) == run_cold(model, other, 20));
    }
    SECTION("the same list again keeps all but the last token") {
        set_tokens(session, 0, list(session));
        CHECK(info(session).computed_count == 139);
    }
    SECTION("refresh drops the cache and changes nothing") {
        const auto expected = list(session);
        Session twin;
        OK(steer_session_fork(session, twin.out(), &err));
        OK(steer_session_refresh(session, 30, &err));
        CHECK(info(session).computed_count == 30);
        CHECK(list(session) == expected);
        CHECK(tokens_of(reply(session, 20)) == tokens_of(reply(twin, 20)));
    }
}

TEST_CASE("a fork goes the way of its original, and neither disturbs the other") {
    Model model = load();
    const int length = GENERATE(10, 64, 65, 127, 128, 200); // tails of every kind
    Session session = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt_of(length));
    reply(session, 5);
    Session fork;
    OK(steer_session_fork(session, fork.out(), &err));
    set_tokens(fork, -1, prompt_of(30, 9)); // writes over the shared tail
    reply(fork, 10);
    Session second;
    OK(steer_session_fork(session, second.out(), &err));
    const auto expected = tokens_of(reply(second, 30));
    CHECK(tokens_of(reply(session, 30)) == expected);
    CHECK(run_cold(model, prompt_of(length), 35) ==
          [&] {
              const auto all = list(session);
              return std::vector<int32_t>(all.begin() + length, all.end());
          }());
}

TEST_CASE("eight in one forward are eight alone") {
    Model model = load();
    Vector vector = axis_vector(model, 3);
    const auto start = [&](int i) {
        Session session = create(model);
        steer_generation_options options = plain_generation();
        options.seed = static_cast<uint64_t>(100 + i);
        set_generation(session, options);
        inject(session, vector, 0.5f * static_cast<float>(i));
        gauge(session, vector, 2, STEER_READING_OWN);
        set_tokens(session, 0, prompt_of(10 + 20 * i, i));
        return session;
    };
    std::vector<std::vector<Step>> alone;
    for (int i = 0; i < 8; i++) {
        Session session = start(i);
        std::vector<Step> steps;
        for (int n = 0; n < 25; n++) steps.push_back(step(session));
        alone.push_back(std::move(steps));
    }
    std::vector<Session> sessions;
    for (int i = 0; i < 8; i++) sessions.push_back(start(i));
    std::vector<steer_session*> handles(sessions.begin(), sessions.end());
    bool different = false;
    for (size_t n = 0; n < 25; n++) {
        std::vector<steer_step> outs(8);
        OK(steer_session_step_many(handles.data(), 8, outs.data(), sizeof(steer_step), &err));
        for (size_t i = 0; i < 8; i++) {
            const Step together = keep(outs[i]);
            REQUIRE(together.c.status == STEER_OK);
            REQUIRE(together.c.token == alone[i][n].c.token);
            REQUIRE(together.gauges == alone[i][n].gauges);
            REQUIRE(together.text == alone[i][n].text);
            if (i > 0 && together.c.token != outs[0].token) different = true;
        }
    }
    CHECK(different);
}
