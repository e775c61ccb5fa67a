// Injections and gauges through the C door. The relations tested hold for any decoder: what a push of known length does to a
// reading at its own site, what strength 0 is, what a ramp's values are.
#include "host.h"

#include <limits>

using namespace host;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

} // namespace

TEST_CASE("strength 0 is no vector, bit for bit") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session plain = start(model), off = start(model), on = start(model);
    const int32_t op = GENERATE(int32_t{STEER_OP_ADD}, int32_t{STEER_OP_ADD_KEEP_NORM});
    inject(off, vector, 0.0f, 0, INT32_MAX, STEER_SPAN_ALL, op);
    inject(on, vector, 3.0f, 0, INT32_MAX, STEER_SPAN_ALL, op);
    const auto expected = reply(plain, 25);
    CHECK(same_bits(reply(off, 25), expected));
    CHECK_FALSE(same_bits(reply(on, 25), expected));
}

TEST_CASE("a gauge at the site of a push reads it before and after") {
    Model model = load();
    Vector vector = axis_vector(model, 5);
    Session session = start(model);
    const float strength = GENERATE(2.5f, -4.0f);
    inject(session, vector, strength, 1, 2);
    for (const int32_t layer : {0, 1, 2})
        for (const int32_t tap : {STEER_TAP_BEFORE, STEER_TAP_AFTER})
            for (const int32_t reading : {STEER_READING_RAW, STEER_READING_OWN}) gauge(session, vector, layer, reading, tap);
    const auto steps = reply(session, 10);
    for (const Step& one : steps) {
        REQUIRE(one.gauges.size() == 12);
        const auto at = [&](int layer, bool after, bool own) {
            return one.gauges[static_cast<size_t>(layer * 4 + (after ? 2 : 0) + (own ? 1 : 0))];
        };
        CHECK(at(0, false, false) == at(0, true, false)); // below the push nothing differs
        CHECK(at(0, false, false) == at(0, false, true));
        CHECK(at(1, true, false) - at(1, false, false) == Approx(strength).margin(1e-4)); // the row has length 1
        CHECK(at(1, true, true) == Approx(at(1, false, false)).margin(1e-4));
        CHECK(at(1, false, true) == at(1, false, false));
        CHECK(at(2, false, false) - at(2, false, true) == Approx(strength).margin(1e-4)); // own: without the push so far
        // Exact only below every push: layer 0.
        CHECK(one.push_free == std::vector<uint8_t>{1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
    }
}

TEST_CASE("a reading is not push-free while the cache remembers a push below it") {
    Model model = load();
    Vector vector = axis_vector(model, 1);
    Session session = start(model);
    const steer_injection_id id = inject(session, vector, 2.0f, 0, 1);
    gauge(session, vector, 2);
    reply(session, 5);
    REQUIRE(steer_injection_set(session, id, 0.0f, 0) == STEER_OK);
    CHECK(step(session).push_free[0] == 0);
    OK(steer_session_refresh(session, 0, &err));
    step(session); // the list again
    CHECK(step(session).push_free[0] == 1);
}

TEST_CASE("who was added first makes no difference") {
    Model model = load();
    Vector a = axis_vector(model, 1, 3, 0.3f), b = axis_vector(model, 2, 3, 0.7f);
    const auto run = [&](const std::vector<std::pair<steer_vector*, float>>& order, int32_t op) {
        Session session = start(model);
        for (const auto& [vector, strength] : order) inject(session, vector, strength, 0, INT32_MAX, STEER_SPAN_ALL, op);
        return reply(session, 20);
    };
    const int32_t op = GENERATE(int32_t{STEER_OP_ADD}, int32_t{STEER_OP_ADD_KEEP_NORM});
    CHECK(same_bits(run({{a, 1.1f}, {b, 2.3f}, {a, 0.37f}}, op), run({{a, 0.37f}, {a, 1.1f}, {b, 2.3f}}, op)));
    CHECK_FALSE(same_bits(run({{a, 1.1f}, {b, 2.3f}}, op), run({{a, 2.3f}, {b, 1.1f}}, op)));
}

TEST_CASE("a ramp is linear in tokens from the value in force, the last set wins") {
    Model model = load();
    Vector vector = axis_vector(model, 0, 3, 0.1f);
    Session session = start(model);
    const steer_injection_id id = inject(session, vector, 0.0f);
    REQUIRE(steer_injection_set(session, id, 8.0f, 4) == STEER_OK);
    const auto strength = [&] { return step(session).strengths.at(STEER_SLOT(id)); };
    CHECK(strength() == 0.0f); // the prompt: no token yet
    CHECK(strength() == 2.0f);
    CHECK(strength() == 4.0f);
    CHECK(steer_injection_set(session, id, 1.0f, 3) == STEER_OK);
    CHECK(strength() == 3.0f);
    CHECK(strength() == 2.0f);
    CHECK(strength() == 1.0f);
    CHECK(strength() == 1.0f);
    CHECK(steer_injection_set(session, id, 5.0f, 100) == STEER_OK);
    CHECK(steer_injection_set(session, id, -2.0f, 0) == STEER_OK);
    CHECK(strength() == -2.0f);
    CHECK(steer_injection_set(session, id, kNaN, 0) == STEER_ERR_ARG);
    CHECK(steer_injection_set(session, id, std::numeric_limits<float>::infinity(), 0) == STEER_ERR_ARG);
    CHECK(steer_injection_set(session, id, 1.0f, -1) == STEER_ERR_ARG);
    CHECK(strength() == -2.0f);
}

TEST_CASE("a strength stays within the injection's limits") {
    Model model = load();
    Vector vector = axis_vector(model, 0, 3, 0.1f);
    Session session = start(model);
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.strength = 50.0f;
    options.strength_min = -1.0f;
    options.strength_max = 4.0f;
    steer_injection_id id = 0;
    OK(steer_injection_add(session, &options, &id, &err));
    CHECK(step(session).strengths[0] == 4.0f);
    CHECK(steer_injection_set(session, id, -30.0f, 0) == STEER_OK);
    CHECK(step(session).strengths[0] == -1.0f);
    options.strength_min = 5.0f;
    FAILS(steer_injection_add(session, &options, &id, &err), STEER_ERR_ARG, "strength_min");
}

TEST_CASE("a span is pushed where it says") {
    Model model = load();
    Vector vector = axis_vector(model, 4);
    const auto prompt = encode(model, "one two three four");
    const auto reading = [&](int32_t span, bool at_prompt) { // at the site of the push, after minus before
        Session session = start(model, "one two three four");
        inject(session, vector, 3.0f, 1, 2, span);
        gauge(session, vector, 1, STEER_READING_RAW, STEER_TAP_BEFORE);
        gauge(session, vector, 1, STEER_READING_RAW, STEER_TAP_AFTER);
        const Step first = step(session), second = step(session);
        const Step& one = at_prompt ? first : second;
        return one.gauges[1] - one.gauges[0];
    };
    CHECK(reading(STEER_SPAN_ALL, true) == Approx(3.0f).margin(1e-4));
    CHECK(reading(STEER_SPAN_ALL, false) == Approx(3.0f).margin(1e-4));
    CHECK(reading(STEER_SPAN_PROMPT, true) == Approx(3.0f).margin(1e-4));
    CHECK(reading(STEER_SPAN_PROMPT, false) == 0.0f);
    CHECK(reading(STEER_SPAN_REPLY, true) == 0.0f);
    CHECK(reading(STEER_SPAN_REPLY, false) == Approx(3.0f).margin(1e-4));
}

TEST_CASE("stale_from says where today's settings would compute otherwise") {
    Model model = load();
    Vector vector = axis_vector(model, 4);
    Session session = start(model);
    const auto prompt_count = info(session).token_count;
    const steer_injection_id id = inject(session, vector, 2.0f);
    reply(session, 6);
    CHECK(info(session).stale_from == -1);
    REQUIRE(steer_injection_set(session, id, 3.0f, 0) == STEER_OK);
    CHECK(info(session).stale_from == 0);
    REQUIRE(steer_injection_set(session, id, 2.0f, 50) == STEER_OK); // where it was: nothing has changed
    CHECK(info(session).stale_from == -1);

    SECTION("a change in the middle of a reply") {
        REQUIRE(steer_injection_set(session, id, 5.0f, 0) == STEER_OK);
        reply(session, 4);
        CHECK(info(session).stale_from == 0);
        REQUIRE(steer_injection_set(session, id, 2.0f, 0) == STEER_OK);
        CHECK(info(session).stale_from == prompt_count + 5);
        const auto ids = list(session);
        OK(steer_session_refresh(session, info(session).stale_from, &err));
        CHECK(info(session).stale_from == -1);
        Session cold = create(model);
        set_generation(cold, plain_generation());
        inject(cold, vector, 2.0f);
        std::vector<uint8_t> marks(ids.size(), 1); // as they stand in the session
        std::fill(marks.begin(), marks.begin() + prompt_count, 0);
        OK(steer_session_set_tokens(cold, 0, ids.data(), marks.data(), ids.size(), nullptr, &err));
        CHECK(tokens_of(reply(session, 10)) == tokens_of(reply(cold, 10)));
    }
    SECTION("only the reply was steered") {
        OK(steer_injection_remove(session, id, &err));
        CHECK(info(session).stale_from == 0);
        OK(steer_session_refresh(session, 0, &err));
        inject(session, vector, 2.0f, 0, INT32_MAX, STEER_SPAN_REPLY);
        reply(session, 2);
        CHECK(info(session).stale_from == -1);
        reply(session, 1);
        const steer_injection_id more = inject(session, vector, 1.0f, 0, INT32_MAX, STEER_SPAN_REPLY);
        CHECK(info(session).stale_from == prompt_count - 1);
        OK(steer_injection_remove(session, more, &err));
        CHECK(info(session).stale_from == -1);
    }
}

TEST_CASE("a window is the mean of the last tokens") {
    Model model = load();
    Vector vector = axis_vector(model, 7);
    Session session = start(model);
    gauge(session, vector, 2);
    gauge(session, vector, 2, STEER_READING_RAW, STEER_TAP_BEFORE, STEER_METRIC_DOT, 3);
    std::vector<double> values;
    for (const Step& one : reply(session, 8)) {
        if (one.c.token < 0) {
            CHECK(one.gauges[0] == one.gauges[1]); // a prompt's value stands alone
            continue;
        }
        values.push_back(one.gauges[0]);
        const size_t count = std::min<size_t>(3, values.size());
        double sum = 0.0;
        for (size_t i = values.size() - count; i < values.size(); i++) sum += values[i];
        CHECK(one.gauges[1] == Approx(sum / static_cast<double>(count)).epsilon(1e-6));
    }
    set_tokens(session, -1, encode(model, "next"));
    step(session);
    const Step first = step(session);
    CHECK(first.gauges[0] == first.gauges[1]); // a turn begins with an empty window
}

TEST_CASE("layers are reduced, metrics agree with each other") {
    Model model = load();
    Vector vector = axis_vector(model, 7, 3, 2.0f);
    Session session = start(model);
    for (int32_t layer = 0; layer < 3; layer++) gauge(session, vector, layer);
    steer_gauge_options options;
    steer_gauge_options_init(&options, sizeof options);
    options.vector = vector;
    options.layer_begin = 0;
    options.layer_end = INT32_MAX;
    options.metric = STEER_METRIC_DOT;
    for (const int32_t reduce : {STEER_REDUCE_MEAN, STEER_REDUCE_MAX, STEER_REDUCE_LAST}) {
        steer_gauge_id id = 0;
        options.reduce = reduce;
        OK(steer_gauge_add(session, &options, &id, &err));
    }
    gauge(session, vector, 1, STEER_READING_RAW, STEER_TAP_BEFORE, STEER_METRIC_PROJECTION);
    gauge(session, vector, 1, STEER_READING_RAW, STEER_TAP_BEFORE, STEER_METRIC_COSINE);
    for (const Step& one : reply(session, 5)) {
        const auto& g = one.gauges;
        CHECK(g[3] == Approx((g[0] + g[1] + g[2]) / 3.0).epsilon(1e-6));
        CHECK(g[4] == std::max({g[0], g[1], g[2]}));
        CHECK(g[5] == g[2]);
        CHECK(g[6] == Approx(g[1] / 2.0).epsilon(1e-6)); // the row has length 2
        CHECK(std::fabs(g[7]) <= 1.0f);
    }
}

TEST_CASE("slots are given again, ids are not") {
    Model model = load();
    Vector vector = axis_vector(model, 0);
    Session session = start(model);
    const steer_injection_id first = inject(session, vector, 1.0f), second = inject(session, vector, 2.0f);
    CHECK(STEER_SLOT(first) == 0);
    CHECK(STEER_SLOT(second) == 1);
    OK(steer_injection_remove(session, first, &err));
    CHECK(steer_injection_set(session, first, 9.0f, 0) == STEER_ERR_ARG);
    FAILS(steer_injection_remove(session, first, &err), STEER_ERR_ARG, "removed");
    const Step without = step(session);
    REQUIRE(without.strengths.size() == 2);
    CHECK(std::isnan(without.strengths[0]));
    CHECK(without.strengths[1] == 2.0f);
    const steer_injection_id third = inject(session, vector, 3.0f);
    CHECK(STEER_SLOT(third) == 0);
    CHECK(third != first);
    CHECK(steer_injection_set(session, first, 9.0f, 0) == STEER_ERR_ARG);
    CHECK(step(session).strengths[0] == 3.0f);

    Session fork;
    OK(steer_session_fork(session, fork.out(), &err));
    CHECK(steer_injection_set(fork, third, 4.0f, 0) == STEER_OK);
    CHECK(step(fork).strengths[0] == 4.0f);
    CHECK(step(session).strengths[0] == 3.0f);

    for (int i = 0; i < 14; i++) inject(session, vector, 0.0f);
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    steer_injection_id id = 0;
    FAILS(steer_injection_add(session, &options, &id, &err), STEER_ERR_STATE, "injection_max");
}

TEST_CASE("a push that breaks the numbers is an error of its step, and of no other row") {
    Model model = load();
    Vector vector = axis_vector(model, 0);
    Session session = start(model), other = start(model);
    const auto expected = tokens_of(reply(start(model), 6));
    reply(session, 3);
    const auto before = list(session);
    const steer_injection_id id = inject(session, vector, 3e38f);
    steer_step out;
    FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_NUMERIC, "strength");
    CHECK(out.token == -1);
    CHECK(list(session) == before);

    steer_session* both[] = {session, other};
    std::vector<int32_t> tokens;
    while (tokens.size() < 6) {
        steer_step outs[2];
        steer_error err{};
        REQUIRE(steer_session_step_many(both, 2, outs, sizeof outs[0], &err) == STEER_OK);
        CHECK(outs[0].status == STEER_ERR_NUMERIC);
        CHECK(err.status == STEER_ERR_NUMERIC);
        REQUIRE(outs[1].status == STEER_OK);
        if (outs[1].token >= 0) tokens.push_back(outs[1].token);
    }
    CHECK(tokens == expected);
    REQUIRE(steer_injection_set(session, id, 0.0f, 0) == STEER_OK);
    reply(session, 3);
    auto whole = list(session);
    CHECK(std::vector<int32_t>(whole.end() - 6, whole.end()) == expected); // as if it had not been
}

TEST_CASE("vectors of other models are refused, naming both") {
    Model model = load();
    tiny::Options wide;
    wide.hidden = 32;
    const tiny::Folder other(wide);
    Model stranger = load(STEER_RESIDENCY_NONE, other.path());
    Vector vector = axis_vector(stranger, 0);
    Session session = start(model);
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    steer_injection_id id = 0;
    FAILS(steer_injection_add(session, &options, &id, &err), STEER_ERR_MISMATCH, "32");
    CHECK(id == 0);
}
