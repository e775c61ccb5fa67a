// The guard through the C door: a reply that a bias forces into a loop, in every mode.
#include "host.h"

using namespace host;

namespace {

struct Looping { // says one token without end, however it is steered
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session session = create(model);
    steer_injection_id push = 0;
    std::vector<int32_t> ids = encode(model, "tell me about the sea");
    steer_logit_bias bias{65, 1000.0f};

    explicit Looping(int32_t mode) {
        push = inject(session, vector, 2.0f);
        set(mode, true);
        set_tokens(session, 0, ids);
    }
    void set(int32_t mode, bool loops) {
        steer_generation_options options = plain_generation();
        options.guard = mode;
        options.biases = &bias;
        options.bias_count = loops;
        set_generation(session, options);
    }
};

int first_alarm(const std::vector<Step>& steps) {
    int tokens = 0;
    for (const Step& one : steps) {
        tokens += one.c.token >= 0 || (one.c.flags & STEER_STEP_GUARD) != 0;
        if ((one.c.flags & STEER_STEP_GUARD) != 0) return tokens;
    }
    return -1;
}

} // namespace

TEST_CASE("a guard that is off sees nothing, one that reports changes nothing") {
    Looping off(STEER_GUARD_OFF), report(STEER_GUARD_REPORT);
    const auto expected = reply(off.session, 20), got = reply(report.session, 20);
    CHECK(first_alarm(expected) == -1);
    CHECK(first_alarm(got) == 8);
    CHECK(tokens_of(got) == tokens_of(expected));
    for (const Step& one : got)
        if (one.c.token >= 0) CHECK(one.strengths[0] == 2.0f);
}

TEST_CASE("a guard that stops ends the turn with its own reason") {
    Looping stop(STEER_GUARD_STOP);
    const auto steps = reply(stop.session, 20);
    CHECK(steps.back().c.finish == STEER_FINISH_GUARD);
    CHECK(tokens_of(steps).size() == 8);
    CHECK(info(stop.session).reply_count == 8);
}

TEST_CASE("a guard that lowers takes three tenths at most every eight tokens") {
    Looping lower(STEER_GUARD_LOWER);
    std::vector<float> strengths;
    for (const Step& one : reply(lower.session, 26))
        if (one.c.token >= 0) strengths.push_back(one.strengths[0]);
    CHECK(strengths[7] == 2.0f);
    CHECK(strengths[8] == Approx(1.4f));
    CHECK(strengths[15] == Approx(1.4f));
    CHECK(strengths[16] == Approx(0.98f));
    CHECK(strengths[24] == Approx(0.686f));
    CHECK(info(lower.session).stale_from == 0); // what was computed at the full strength is not what would be now
}

TEST_CASE("a guard that rewinds takes the loop back, four times") {
    Looping rewind(STEER_GUARD_REWIND);
    const auto prompt = static_cast<int32_t>(rewind.ids.size());
    int withdrawn = 0;
    std::string text;
    Step last;
    for (int i = 0; i < 200; i++) {
        last = step(rewind.session);
        text += last.text;
        if (last.c.finish != STEER_FINISH_NONE) break;
        if ((last.c.flags & STEER_STEP_GUARD) == 0) continue;
        withdrawn++;
        CHECK(last.c.token == -1);
        CHECK(last.c.position == prompt - 1); // all eight were of the loop
        CHECK(list(rewind.session) == rewind.ids);
        CHECK(info(rewind.session).reply_count == 0);
        CHECK(info(rewind.session).computed_count <= prompt - 1);
    }
    CHECK(withdrawn == 4);
    CHECK(last.c.finish == STEER_FINISH_GUARD);
    CHECK(info(rewind.session).reply_count == 8);
}

TEST_CASE("a conversation goes on from what a rewind has left as if nothing had been said") {
    Looping rewind(STEER_GUARD_REWIND);
    Step last;
    do last = step(rewind.session);
    while ((last.c.flags & STEER_STEP_GUARD) == 0);
    rewind.set(STEER_GUARD_OFF, false);
    Session cold = create(rewind.model);
    inject(cold, rewind.vector, 0.7f * 2.0f);
    set_generation(cold, plain_generation());
    set_tokens(cold, 0, rewind.ids);
    OK(steer_session_refresh(rewind.session, 0, &err)); // the prompt was read at the full strength
    CHECK(tokens_of(reply(rewind.session, 12)) == tokens_of(reply(cold, 12)));
}

TEST_CASE("a guard that is none is refused") {
    Model model = load();
    Session session = create(model);
    steer_generation_options options = plain_generation();
    for (const int32_t mode : {-1, 5}) {
        options.guard = mode;
        FAILS(steer_session_set_generation(session, &options, &err), STEER_ERR_ARG, "guard");
    }
}
