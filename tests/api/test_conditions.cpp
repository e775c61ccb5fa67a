// Conditions through the C door: rules and gates against a few lines that say the same, what rewinds, forks, refreshes and
// saved states make of them, and what is refused.
#include "host.h"

#include <limits>
#include <set>

using namespace host;

namespace {

constexpr int32_t kRule = STEER_WHEN_LAST_STEP, kGate = STEER_WHEN_SAME_PASS;

steer_injection_options pushing(steer_vector* vector, float strength, const std::vector<steer_condition>& conditions,
                                int32_t begin = 1) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.strength = strength;
    options.layer_begin = begin;
    options.conditions = conditions.data();
    options.condition_count = static_cast<uint32_t>(conditions.size());
    return options;
}

steer_injection_id inject_if(steer_session* session, steer_vector* vector, float strength,
                             const std::vector<steer_condition>& conditions, int32_t begin = 1) {
    const steer_injection_options options = pushing(vector, strength, conditions, begin);
    steer_injection_id id = 0;
    OK(steer_injection_add(session, &options, &id, &err));
    return id;
}

bool next_state(const steer_condition& condition, bool on, float value) {
    const bool below = condition.test == STEER_TEST_BELOW;
    if (on) return below ? value <= condition.leave : value >= condition.leave;
    return below ? value < condition.enter : value > condition.enter;
}

bool same_words(const std::vector<Step>& a, const std::vector<Step>& b) {
    std::vector<std::pair<int32_t, float>> x, y; // of tokens: a prompt may come in other pieces
    for (const Step& one : a)
        if (one.c.token >= 0) x.emplace_back(one.c.token, one.c.log_prob);
    for (const Step& one : b)
        if (one.c.token >= 0) y.emplace_back(one.c.token, one.c.log_prob);
    return x == y;
}

// A gauge at layer 0 and a push above it, under one condition with hysteresis.
struct Talk {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    int32_t when;
    Session session;
    steer_gauge_id dial;
    steer_injection_id push;

    explicit Talk(int32_t when_, int32_t chunk = 0) : when(when_), session(start(model, kPrompt, chunk)), dial(add_dial(session)) {
        push = add_push(session, dial);
    }
    steer_gauge_id add_dial(steer_session* to) const { return gauge(to, read, 0, STEER_READING_OWN); }
    steer_injection_id add_push(steer_session* to, steer_gauge_id reads) const {
        return inject_if(to, write, 2.0f, {{reads, when, STEER_TEST_ABOVE, 0.5f, -0.5f, 0}});
    }
};

} // namespace

TEST_CASE("a rule follows the gauge of the last token, one token late, with hysteresis") {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    const int32_t test = GENERATE(int32_t{STEER_TEST_ABOVE}, int32_t{STEER_TEST_BELOW});
    const float leave = GENERATE(0.0f, 0.9f);
    Session session = start(model);
    const steer_gauge_id dial = gauge(session, read, 0, STEER_READING_OWN);
    const steer_condition condition{dial, kRule, test, 0.0f, test == STEER_TEST_ABOVE ? -leave : leave, 0};
    const steer_injection_id push = inject_if(session, write, 2.0f, {condition});
    gauge(session, write, 1, STEER_READING_RAW, STEER_TAP_BEFORE);
    gauge(session, write, 1, STEER_READING_RAW, STEER_TAP_AFTER);
    bool on = false;
    int changes = 0;
    for (const Step& one : reply(session, 60)) {
        const float expected = on ? 2.0f : 0.0f;
        REQUIRE(one.strengths[STEER_SLOT(push)] == expected);
        REQUIRE(one.gauges[2] - one.gauges[1] == Approx(expected).margin(1e-4)); // it did act, or did not
        if (one.c.token < 0) continue;
        const bool next = next_state(condition, on, one.gauges[0]);
        changes += next != on;
        on = next;
    }
    CHECK(changes > 4);
}

TEST_CASE("a gate follows the reading of every position, in the same pass") {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    const float leave = GENERATE(0.0f, -0.9f);
    Session session = start(model, kPrompt, 1); // a prompt step for each token, to see its reading
    const steer_gauge_id dial = gauge(session, read, 0, STEER_READING_OWN);
    const steer_condition condition{dial, kGate, STEER_TEST_ABOVE, 0.0f, leave, 0};
    const steer_injection_id push = inject_if(session, write, 2.0f, {condition});
    gauge(session, write, 1, STEER_READING_RAW, STEER_TAP_BEFORE);
    gauge(session, write, 1, STEER_READING_RAW, STEER_TAP_AFTER);
    bool on = false;
    int changes = 0;
    const auto steps = reply(session, 40);
    for (const Step& one : steps) {
        const bool now = next_state(condition, on, one.gauges[0]);
        changes += now != on;
        on = now;
        REQUIRE(one.strengths[STEER_SLOT(push)] == (on ? 2.0f : 0.0f));
        REQUIRE(one.gauges[2] - one.gauges[1] == Approx(on ? 2.0 : 0.0).margin(1e-4));
    }
    CHECK(changes > 4);

    Session whole = start(model); // the prompt in one piece: the same states at all of its positions
    const steer_condition again{gauge(whole, read, 0, STEER_READING_OWN), kGate, STEER_TEST_ABOVE, 0.0f, leave, 0};
    inject_if(whole, write, 2.0f, {again});
    CHECK(same_words(reply(whole, 40), steps));
}

TEST_CASE("within a group all must hold, of the groups any") {
    Model model = load();
    Vector write = axis_vector(model, 2);
    std::vector<Vector> axes;
    for (const size_t axis : {5, 7, 9, 11}) axes.push_back(axis_vector(model, axis));
    Session session = start(model, kPrompt, 1);
    std::vector<steer_condition> conditions;
    for (size_t i = 0; i < 4; i++) // gauges 0 and 2 in one group, 1 and 3 in the other; each with a rule and a gate
        conditions.push_back({gauge(session, axes[i], 0, STEER_READING_OWN), i < 2 ? kRule : kGate,
                              i == 1 ? STEER_TEST_BELOW : STEER_TEST_ABOVE, 0.0f, 0.0f, i % 2 == 0 ? 7u : 4000000000u});
    const steer_injection_id push = inject_if(session, write, 1.5f, conditions);
    std::array<bool, 4> on{};
    std::set<std::array<bool, 4>> seen;
    for (const Step& one : reply(session, 80)) {
        for (size_t i = 2; i < 4; i++) on[i] = next_state(conditions[i], on[i], one.gauges[i]);
        seen.insert(on);
        REQUIRE(one.strengths[STEER_SLOT(push)] == ((on[0] && on[2]) || (on[1] && on[3]) ? 1.5f : 0.0f));
        for (size_t i = 0; i < 2 && one.c.token >= 0; i++) on[i] = next_state(conditions[i], on[i], one.gauges[i]);
    }
    CHECK(seen.size() > 8);
}

TEST_CASE("who was added first makes no difference to conditions either") {
    Model model = load();
    Vector read = axis_vector(model, 5), other = axis_vector(model, 7), write = axis_vector(model, 2), more = axis_vector(model, 3);
    const int32_t when = GENERATE(kRule, kGate);
    const auto run = [&](std::vector<int> order) {
        Session session = start(model);
        for (const int which : order) {
            const steer_gauge_id dial = gauge(session, which == 2 ? other : read, 0, STEER_READING_OWN);
            inject_if(session, which == 1 ? more : write, 1.0f + 0.3f * static_cast<float>(which),
                      {{dial, when, STEER_TEST_ABOVE, 0.1f, -0.1f, 0}});
        }
        return reply(session, 30);
    };
    const auto first = run({0, 1, 2});
    CHECK(same_words(run({2, 1, 0}), first));
    CHECK(same_words(run({1, 2, 0}), first));
}

TEST_CASE("a condition that never holds is strength 0, bit for bit; one that always holds is none") {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    const int32_t when = GENERATE(kRule, kGate);
    const auto run = [&](float enter) {
        Session session = start(model);
        inject_if(session, write, 2.0f, {{gauge(session, read, 0, STEER_READING_OWN), when, STEER_TEST_ABOVE, enter, enter, 0}});
        return reply(session, 20);
    };
    CHECK(same_words(run(1e6f), reply(start(model), 20)));
    Session plain = start(model);
    inject(plain, write, 2.0f, 1);
    if (when == kGate) CHECK(same_words(run(-1e6f), reply(plain, 20))); // a rule is late
}

TEST_CASE("forks, rewinds, refreshes and saved states go on under the conditions that stood there") {
    const int32_t when = GENERATE(kRule, kGate);
    Talk talk(when);
    const auto prompt_count = info(talk.session).token_count;
    reply(talk.session, 20);
    Session fork;
    OK(steer_session_fork(talk.session, fork.out(), &err));
    const auto ids = list(talk.session);
    std::string state(1 << 20, '\0'), bare(1 << 20, '\0');
    size_t size = 0, bare_size = 0;
    OK(steer_session_state_save(talk.session, STEER_STATE_CACHE, state.data(), state.size(), &size, &err));
    OK(steer_session_state_save(talk.session, 0, bare.data(), bare.size(), &bare_size, &err));
    CHECK(info(talk.session).stale_from == -1);
    const auto expected = reply(talk.session, 20);
    CHECK(info(talk.session).stale_from == -1); // switching is no change of the settings
    CHECK(same_words(reply(fork, 20), expected));

    SECTION("a rewind") { // to the same list
        set_tokens(talk.session, static_cast<int32_t>(ids.size()), {});
        CHECK(same_words(reply(talk.session, 20), expected));
    }
    SECTION("a refresh from the beginning, and from the middle") {
        for (const int32_t from : {0, prompt_count + 7}) {
            set_tokens(talk.session, static_cast<int32_t>(ids.size()), {});
            OK(steer_session_refresh(talk.session, from, &err));
            CHECK(same_words(reply(talk.session, 20), expected));
        }
    }
    SECTION("a saved state") {
        for (const auto& [bytes, count] : {std::pair(&state, size), std::pair(&bare, bare_size)}) {
            Session restored = start(talk.model);
            talk.add_push(restored, talk.add_dial(restored));
            OK(steer_session_state_load(restored, bytes->data(), count, &err));
            CHECK(info(restored).stale_from == -1);
            CHECK(same_words(reply(restored, 20), expected));
        }
        // Over a conversation of its own, which shares the beginning.
        Session busy = start(talk.model);
        talk.add_push(busy, talk.add_dial(busy));
        reply(busy, 3);
        OK(steer_session_state_load(busy, bare.data(), bare_size, &err));
        CHECK(same_words(reply(busy, 20), expected));
    }
    SECTION("a saved state where nobody has conditions") {
        Session plain = start(talk.model);
        OK(steer_session_state_load(plain, state.data(), size, &err));
        CHECK(info(plain).stale_from >= 0); // what was pushed there is pushed no more
        for (const Step& one : reply(plain, 3)) CHECK(one.strengths.empty());
    }
}

TEST_CASE("stale_from counts from the first position at which it did act") {
    const int32_t when = GENERATE(kRule, kGate);
    Talk talk(when, 1);
    int32_t first = -1, first_off = -1, position = 0; // where it acted, where it did not
    for (const Step& one : reply(talk.session, 30)) {
        int32_t& seen = one.strengths[STEER_SLOT(talk.push)] != 0.0f ? first : first_off;
        if (seen < 0) seen = position;
        position++;
    }
    REQUIRE(first >= 0);
    REQUIRE(first_off >= 0);
    CHECK(info(talk.session).stale_from == -1);
    REQUIRE(steer_injection_set(talk.session, talk.push, 3.0f, 0) == STEER_OK);
    CHECK(info(talk.session).stale_from == first);
    REQUIRE(steer_injection_set(talk.session, talk.push, 2.0f, 0) == STEER_OK);
    CHECK(info(talk.session).stale_from == -1);
    OK(steer_injection_remove(talk.session, talk.push, &err));
    CHECK(info(talk.session).stale_from == first);
    // A new one: a rule has never been looked at, a gate might have been open from the beginning on.
    talk.push = talk.add_push(talk.session, talk.dial);
    CHECK(info(talk.session).stale_from == (when == kGate ? first_off : first));
    OK(steer_session_refresh(talk.session, info(talk.session).stale_from, &err));
    step(talk.session);
    CHECK(info(talk.session).stale_from == -1);
}

TEST_CASE("a reading is push-free where the rule has kept the push away") {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    Session session = start(model);
    inject_if(session, write, 2.0f, {{gauge(session, read, 0), kRule, STEER_TEST_ABOVE, 1e6f, 1e6f, 0}}); // raw, below the push
    gauge(session, read, 2);
    for (const Step& one : reply(session, 5)) CHECK(one.push_free == std::vector<uint8_t>{1, 1});
}

TEST_CASE("a gauge goes after the injections that look at it") {
    Talk talk(kRule);
    FAILS(steer_gauge_remove(talk.session, talk.dial, &err), STEER_ERR_STATE, "remove that one first");
    step(talk.session);
    OK(steer_injection_remove(talk.session, talk.push, &err));
    OK(steer_gauge_remove(talk.session, talk.dial, &err));
    step(talk.session);
}

TEST_CASE("conditions that cannot be are refused in words") {
    Model model = load();
    Vector read = axis_vector(model, 5), write = axis_vector(model, 2);
    Session session = start(model);
    const steer_gauge_id own = gauge(session, read, 0, STEER_READING_OWN), raw = gauge(session, read, 1),
                         window = gauge(session, read, 0, STEER_READING_OWN, STEER_TAP_BEFORE, STEER_METRIC_DOT, 4),
                         high = gauge(session, read, 2, STEER_READING_OWN);
    const float inf = std::numeric_limits<float>::infinity();
    steer_gauge_options wide;
    steer_gauge_options_init(&wide, sizeof wide);
    wide.vector = read;
    wide.layer_begin = 0, wide.layer_end = 2;
    wide.reading = STEER_READING_OWN;
    steer_gauge_id both = 0;
    OK(steer_gauge_add(session, &wide, &both, &err));
    const auto refused = [&](steer_condition condition, int32_t begin, const char* words) {
        const steer_injection_options options = pushing(write, 1.0f, {condition}, begin);
        steer_injection_options copy = options;
        copy.conditions = &condition;
        steer_injection_id id = 0;
        FAILS(steer_injection_add(session, &copy, &id, &err), STEER_ERR_ARG, words);
    };
    refused({0, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 1, "gauge is 0");
    refused({own + 256, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 1, "not one of this session");
    refused({own, 2, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 1, "when");
    refused({own, kRule, -1, 0.0f, 0.0f, 0}, 1, "test");
    refused({own, kRule, STEER_TEST_ABOVE, NAN, 0.0f, 0}, 1, "enter");
    refused({own, kRule, STEER_TEST_ABOVE, 0.0f, inf, 0}, 1, "leave");
    refused({own, kRule, STEER_TEST_ABOVE, 0.0f, 0.1f, 0}, 1, "leave");
    refused({own, kRule, STEER_TEST_BELOW, 0.0f, -0.1f, 0}, 1, "leave");
    refused({raw, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 1, "hold its own condition open");
    refused({raw, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 0, "OWN");
    refused({high, kGate, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 2, "too late");
    refused({window, kGate, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 1, "window");
    refused({both, kGate, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}, 2, "several layers");
    inject_if(session, write, 1.0f, {{raw, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}}, 2); // below: no push of this one in it
    inject_if(session, write, 1.0f, {{both, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0}}, 0);
    steer_injection_options missing = pushing(write, 1.0f, {});
    missing.conditions = nullptr;
    missing.condition_count = 1;
    steer_injection_id id = 0;
    FAILS(steer_injection_add(session, &missing, &id, &err), STEER_ERR_ARG, "conditions");
    const std::vector<steer_condition> many(65, {own, kRule, STEER_TEST_ABOVE, 0.0f, 0.0f, 0});
    const steer_injection_options full = pushing(write, 1.0f, many);
    FAILS(steer_injection_add(session, &full, &id, &err), STEER_ERR_STATE, "remove some");
}
