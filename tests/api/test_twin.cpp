// The twin: the same tokens once more, steered by nothing. What it says must be what an unsteered session says of them.
#include "host.h"

#include <limits>

using namespace host;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Session start(steer_model* model, bool twin, float budget = kInfinity, int32_t chunk = 0) {
    Session session = create(model, 0, chunk, twin);
    steer_generation_options options = plain_generation();
    options.kl_budget = budget;
    set_generation(session, options);
    set_tokens(session, 0, encode(model, kPrompt));
    return session;
}

// A step of an unsteered session whose list is forced to what another one has sampled.
struct Shadow {
    steer_session* session;
    Step follow(const Step& steered) {
        const Step own = step(session);
        const std::vector<int32_t> token = {steered.c.token};
        set_tokens(session, steered.c.position, token);
        return own;
    }
};

std::vector<uint8_t> saved(steer_session* session) {
    size_t size = 0;
    OK(steer_session_state_save(session, STEER_STATE_CACHE, nullptr, 0, &size, &err));
    std::vector<uint8_t> bytes(size);
    OK(steer_session_state_save(session, STEER_STATE_CACHE, bytes.data(), bytes.size(), &size, &err));
    return bytes;
}

} // namespace

TEST_CASE("a twin changes no bit of the steered row") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session alone = start(model, false), twinned = start(model, true);
    for (steer_session* session : {static_cast<steer_session*>(alone), static_cast<steer_session*>(twinned)}) {
        inject(session, vector, 3.0f);
        gauge(session, vector, 2);
    }
    const auto expected = reply(alone, 30), got = reply(twinned, 30);
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); i++) {
        CHECK(got[i].c.token == expected[i].c.token);
        if (got[i].c.token < 0) continue;
        CHECK(got[i].c.log_prob == expected[i].c.log_prob);
        CHECK(got[i].c.entropy == expected[i].c.entropy);
        CHECK(got[i].gauges == expected[i].gauges);
        CHECK(got[i].c.kl > 0.0f);
        CHECK(got[i].c.kl_share == 1.0f);
        CHECK(std::isnan(expected[i].c.kl));
        CHECK(std::isnan(expected[i].c.kl_share));
        CHECK(std::isnan(expected[i].c.twin_log_prob));
    }
}

TEST_CASE("a twin reads what an unsteered session reads on the same tokens") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    const int32_t chunk = GENERATE(0, 3);
    Session session = start(model, true, kInfinity, chunk), unsteered = start(model, false);
    inject(session, vector, 4.0f);
    gauge(session, vector, 2, STEER_READING_TWIN);
    gauge(session, vector, 2);
    gauge(unsteered, vector, 2);
    while (step(unsteered).c.pending_count > 0) {}
    set_tokens(unsteered, 0, encode(model, kPrompt));
    Shadow shadow{unsteered};
    for (const Step& one : reply(session, 20)) {
        if (one.c.token < 0) continue;
        const Step own = shadow.follow(one);
        CHECK(one.gauges[0] == own.gauges[0]);
        CHECK(one.gauges[1] != own.gauges[0]);
        CHECK(one.push_free == std::vector<uint8_t>{1, 0});
    }
}

TEST_CASE("without a push nothing is moved") {
    Model model = load();
    Session session = start(model, true, 0.0f);
    for (const Step& one : reply(session, 10)) {
        if (one.c.token < 0) continue;
        CHECK(one.c.kl == Approx(0.0f).margin(1e-6));
        CHECK(one.c.twin_log_prob == Approx(one.c.log_prob).margin(1e-6));
    }
}

TEST_CASE("a budget is kept with every token, and 0 is the twin's own choice") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    const float budget = GENERATE(0.0f, 0.01f, 0.3f);
    Session session = start(model, true, budget), plain = start(model, false);
    inject(session, vector, 8.0f);
    bool binds = false;
    const auto steps = reply(session, 30), unsteered = reply(plain, 30);
    for (size_t i = 0; i < steps.size(); i++) {
        if (steps[i].c.token < 0) continue;
        CHECK(steps[i].c.kl <= budget * 1.00001f);
        CHECK(steps[i].c.kl_share >= 0.0f);
        CHECK(steps[i].c.kl_share <= 1.0f);
        binds = binds || steps[i].c.kl_share < 1.0f;
        if (budget == 0.0f) CHECK(steps[i].c.token == unsteered[i].c.token);
    }
    CHECK(binds);
}

TEST_CASE("a twin goes along with forks, saved states, rewinds and residency") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    const auto steer = [&](steer_session* session) {
        inject(session, vector, 4.0f);
        gauge(session, vector, 2, STEER_READING_TWIN);
    };
    Session session = start(model, true);
    steer(session);
    reply(session, 12);
    const std::vector<uint8_t> bytes = saved(session);
    Session forked, loaded = create(model, 0, 0, true), untwinned = create(model), reloaded = create(model, 0, 0, true);
    OK(steer_session_fork(session, forked.out(), &err));
    OK(steer_session_state_load(loaded, bytes.data(), bytes.size(), &err));
    OK(steer_session_state_load(untwinned, bytes.data(), bytes.size(), &err));
    const std::vector<uint8_t> without = saved(untwinned);
    CHECK(without.size() < bytes.size());
    OK(steer_session_state_load(reloaded, without.data(), without.size(), &err)); // computes both again
    set_generation(loaded, plain_generation());
    steer(loaded);
    const auto expected = reply(session, 12);
    const auto same = [&](const std::vector<Step>& got) {
        REQUIRE(got.size() == expected.size());
        for (size_t i = 0; i < got.size(); i++) {
            CHECK(got[i].c.token == expected[i].c.token);
            CHECK(got[i].c.kl == expected[i].c.kl);
            CHECK(got[i].gauges == expected[i].gauges);
        }
    };
    same(reply(forked, 12));
    same(reply(loaded, 12));
    steer_session_info info;
    OK(steer_session_get_info(reloaded, &info, sizeof info, &err));
    CHECK(info.computed_count == 0);
    OK(steer_session_get_info(loaded, &info, sizeof info, &err));
    const uint64_t both = info.cache_bytes;
    OK(steer_session_get_info(untwinned, &info, sizeof info, &err));
    CHECK(info.cache_bytes * 2 == both);
}

TEST_CASE("what needs a twin says so") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session session = create(model);
    steer_generation_options options = plain_generation();
    for (const float budget : {0.0f, 1.0f}) {
        options.kl_budget = budget;
        FAILS(steer_session_set_generation(session, &options, &err), STEER_ERR_ARG, "twin");
    }
    Session twinned = create(model, 0, 0, true);
    for (const float budget : {-0.5f, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
        options.kl_budget = budget;
        FAILS(steer_session_set_generation(twinned, &options, &err), STEER_ERR_ARG, "kl_budget");
    }
    steer_gauge_options gauge_options;
    steer_gauge_options_init(&gauge_options, sizeof gauge_options);
    gauge_options.vector = vector;
    gauge_options.reading = STEER_READING_TWIN;
    steer_gauge_id id = 0;
    FAILS(steer_gauge_add(session, &gauge_options, &id, &err), STEER_ERR_ARG, "steer_session_options.twin");
    steer_session_options session_options;
    steer_session_options_init(&session_options, sizeof session_options);
    session_options.twin = 2;
    steer_session* none = nullptr;
    FAILS(steer_session_create(model, &session_options, &none, &err), STEER_ERR_ARG, "twin");
}
