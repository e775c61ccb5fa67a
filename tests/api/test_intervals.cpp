// Intervals through the C door: where a component ends, whoever was added first, and what is refused.
#include "host.h"

#include <algorithm>
#include <limits>

using namespace host;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

steer_injection_options holding(steer_vector* vector, float low, float high, float share = 1.0f) {
    steer_injection_options options;
    steer_injection_options_init(&options, sizeof options);
    options.vector = vector;
    options.op = STEER_OP_INTERVAL;
    options.low = low;
    options.high = high;
    options.strength = share;
    return options;
}

steer_injection_id hold(steer_session* session, steer_vector* vector, float low, float high, float share = 1.0f) {
    const steer_injection_options options = holding(vector, low, high, share);
    steer_injection_id id = 0;
    OK(steer_injection_add(session, &options, &id, &err));
    return id;
}

} // namespace

TEST_CASE("an interval holds the component along its row") {
    Model model = load();
    const float length = GENERATE(1.0f, 3.0f); // of the row: low and high are of the projection, which does not know it
    Vector vector = axis_vector(model, 5, 3, length), other = axis_vector(model, 6);
    const auto check = [&](float low, float high, float share) {
        Session session = start(model);
        inject(session, other, 1.0f);
        inject(session, vector, 0.5f);
        const steer_injection_id id = hold(session, vector, low, high, share);
        for (int32_t layer = 0; layer < 3; layer++)
            for (const int32_t tap : {STEER_TAP_BEFORE, STEER_TAP_AFTER})
                gauge(session, vector, layer, STEER_READING_RAW, tap, STEER_METRIC_PROJECTION);
        for (const Step& one : reply(session, 12)) {
            REQUIRE(one.strengths[STEER_SLOT(id)] == share);
            for (size_t layer = 0; layer < 3; layer++) {
                const float c = one.gauges[2 * layer] + 0.5f * length; // the add comes first
                REQUIRE(one.gauges[2 * layer + 1] == Approx(c + share * (std::clamp(c, low, high) - c)).margin(1e-5));
            }
        }
    };
    check(0.0f, 0.0f, 1.0f);
    check(1.25f, 1.25f, 1.0f);
    check(-2.0f, -2.0f, 0.5f);
    check(0.0f, 0.0f, 2.0f);
    check(0.5f, kInf, 1.0f);
    check(-kInf, 0.5f, 1.0f);
    check(-0.25f, 0.25f, 1.0f);
}

TEST_CASE("intervals in any order of adding, and what their keys are") {
    Model model = load();
    Vector a = axis_vector(model, 1), b = axis_vector(model, 2, 3, 0.7f);
    const auto run = [&](bool turned) {
        Session session = start(model);
        if (turned) hold(session, b, -0.5f, 0.5f), inject(session, a, 0.5f), hold(session, a, 1.0f, 1.0f, 0.5f);
        else hold(session, a, 1.0f, 1.0f, 0.5f), inject(session, a, 0.5f), hold(session, b, -0.5f, 0.5f);
        return reply(session, 20);
    };
    CHECK(same_bits(run(false), run(true)));
    Session session = start(model);
    const steer_injection_id id = hold(session, a, 1.0f, 1.0f);
    reply(session, 4);
    CHECK(info(session).stale_from == -1);
    OK(steer_injection_remove(session, id, &err));
    CHECK(info(session).stale_from == 0);
    const steer_injection_id other = hold(session, a, 1.0f, 2.0f); // another interval is another effect
    CHECK(info(session).stale_from == 0);
    OK(steer_injection_remove(session, other, &err));
    hold(session, a, 1.0f, 1.0f);
    CHECK(info(session).stale_from == -1);
}

TEST_CASE("an interval's numbers are looked at") {
    Model model = load();
    Vector vector = axis_vector(model, 1), twice = axis_vector(model, 1, 3, -2.0f);
    Session session = start(model);
    steer_injection_id id = 0;
    const auto refused = [&](steer_injection_options options, const char* words) {
        FAILS(steer_injection_add(session, &options, &id, &err), STEER_ERR_ARG, words);
    };
    refused(holding(vector, 1.0f, 0.0f), "low");
    refused(holding(vector, kNaN, 0.0f), "low");
    refused(holding(vector, 0.0f, kNaN), "high");
    refused(holding(vector, kInf, kInf), "low");
    refused(holding(vector, -kInf, -kInf), "high");
    refused(holding(vector, -kInf, kInf), "bound nothing");
    refused(holding(vector, 0.0f, 0.0f, -0.5f), "share");
    refused(holding(vector, 0.0f, 0.0f, 2.5f), "[0, 2]");
    steer_injection_options options = holding(vector, 0.0f, 0.0f);
    options.strength_min = 3.0f;
    refused(options, "strength_min");
    options = holding(vector, 0.0f, 0.0f);
    const float scales[] = {1.0f, 1.5f, 0.0f};
    options.layer_scales = scales;
    options.layer_end = 3;
    refused(options, "layer scale");
    options.op = STEER_OP_ADD;
    options.high = 1.0f;
    refused(options, "op INTERVAL");

    id = hold(session, vector, 1.0f, 1.0f);
    CHECK(steer_injection_set(session, id, -4.0f, 0) == STEER_OK); // kept within what a share may be
    CHECK(step(session).strengths[0] == 0.0f);
    CHECK(steer_injection_set(session, id, 40.0f, 0) == STEER_OK);
    CHECK(step(session).strengths[0] == 2.0f);
    refused(holding(vector, 2.0f, 2.0f), "nearly the same row");
    refused(holding(twice, 1.0f, 1.0f), "nearly the same row"); // the other way round
    hold(session, twice, -1.0f, -1.0f);
    hold(session, vector, 1.0f, 1.0f, 0.5f);
    step(session);
}

TEST_CASE("a share of 0 is no interval, bit for bit") {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session plain = start(model), off = start(model), on = start(model);
    hold(off, vector, 3.0f, 3.0f, 0.0f);
    hold(on, vector, 3.0f, 3.0f);
    const auto expected = reply(plain, 25);
    CHECK(same_bits(reply(off, 25), expected));
    CHECK_FALSE(same_bits(reply(on, 25), expected));
}
