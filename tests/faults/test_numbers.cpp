// Numbers that are none, or too large: in vectors, strengths, limits, biases, sampling settings. An error in words or finite
// results; the conversation beside it is never touched.
#include "host.h"

#include <limits>

using namespace host;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
const std::vector<float> kFaults{kNan, kInf, -kInf, 1e-45f, -1e-40f, 65504.0f, -65504.0f, 1e9f, -1e9f, 1e38f, -1e38f, 3.4e38f};

struct Talk {
    Model model = load();
    Vector vector = axis_vector(model, 2);
    Session session = create(model);
    Talk() {
        set_generation(session, plain_generation());
        set_tokens(session, 0, encode(model, "hello hell"));
    }

    // The next steps: tokens with finite numbers, or STEER_ERR_NUMERIC.
    void check_steps() {
        gauge(session, vector, 1);
        gauge(session, vector, 2, STEER_READING_OWN, STEER_TAP_AFTER, STEER_METRIC_COSINE);
        for (int i = 0; i < 6; i++) {
            steer_step out;
            steer_error err{};
            const steer_status status = steer_session_step(session, &out, sizeof out, &err);
            INFO(err.message);
            REQUIRE((status == STEER_OK || status == STEER_ERR_NUMERIC));
            if (status != STEER_OK || out.token < 0) continue;
            REQUIRE(out.token < tiny::kRealVocabulary);
            REQUIRE(std::isfinite(out.log_prob));
            REQUIRE(std::isfinite(out.entropy));
            for (uint32_t g = 0; g < out.gauge_count; g++) REQUIRE_FALSE(std::isinf(out.gauges[g]));
            for (uint32_t s = 0; s < out.strength_count; s++) REQUIRE(std::isfinite(out.strengths[s]));
        }
    }
};

// A call that takes the number or refuses it in words.
bool taken(steer_status status, const steer_error& err) {
    INFO(err.message);
    REQUIRE((status == STEER_OK || status == STEER_ERR_ARG || status == STEER_ERR_UNSUPPORTED || status == STEER_ERR_NUMERIC));
    if (status != STEER_OK) REQUIRE(std::string(err.message).size() > 10);
    return status == STEER_OK;
}

} // namespace

TEST_CASE("numbers of a vector") {
    for (const float number : kFaults) {
        CAPTURE(number);
        Talk talk;
        std::vector<float> rows(48, 0.25f);
        rows[20] = number;
        steer_vector_options options;
        steer_vector_options_init(&options, sizeof options);
        Vector vector;
        steer_error err{};
        const bool good = taken(steer_vector_create(rows.data(), 3, 16, &options, vector.out(), &err), err);
        CHECK(good == std::isfinite(number));
        if (!good) continue;
        inject(talk.session, vector, 3.0f, 0, 3, STEER_SPAN_ALL, STEER_OP_ADD);
        inject(talk.session, vector, -2.0f, 0, 3, STEER_SPAN_ALL, STEER_OP_ADD_KEEP_NORM);
        gauge(talk.session, vector, 1, STEER_READING_RAW, STEER_TAP_AFTER, STEER_METRIC_PROJECTION);
        talk.check_steps();
        const steer_vector* const one[] = {vector};
        Vector combined;
        taken(steer_vector_combine(one, &number, 1, 1.0f, combined.out(), &err), err);
        taken(steer_vector_combine(one, rows.data(), 1, number, combined.out(), &err), err);
    }
}

TEST_CASE("numbers of an injection, when it is added and while it acts") {
    using Options = steer_injection_options;
    const std::vector<float Options::*> fields{&Options::strength, &Options::strength_min, &Options::strength_max, &Options::low,
                                               &Options::high, &Options::hold_target, &Options::hold_rate};
    for (const float number : kFaults) {
        for (const auto field : fields) {
            Talk talk;
            Options options;
            steer_injection_options_init(&options, sizeof options);
            options.vector = talk.vector;
            options.strength = 1.0f;
            options.*field = number;
            steer_injection_id id = 0;
            steer_error err{};
            CAPTURE(number);
            taken(steer_injection_add(talk.session, &options, &id, &err), err);
            talk.check_steps();
        }
        Talk talk;
        const float scales[] = {1.0f, number, 1.0f};
        Options options;
        steer_injection_options_init(&options, sizeof options);
        options.vector = talk.vector;
        options.strength = 2.0f;
        options.layer_scales = scales;
        steer_injection_id id = 0;
        steer_error err{};
        taken(steer_injection_add(talk.session, &options, &id, &err), err);
        const steer_injection_id live = inject(talk.session, talk.vector, 1.0f);
        CHECK(steer_injection_set(talk.session, live, number, 3) == (std::isfinite(number) ? STEER_OK : STEER_ERR_ARG));
        talk.check_steps();
    }
}

TEST_CASE("numbers of an interval and of its condition") {
    for (const float number : kFaults)
        for (int field = 0; field < 5; field++) {
            CAPTURE(number, field);
            Talk talk;
            steer_condition condition{gauge(talk.session, talk.vector, 0, STEER_READING_OWN), STEER_WHEN_LAST_STEP,
                                      STEER_TEST_ABOVE, -1e38f, -1e38f, 0};
            steer_injection_options options;
            steer_injection_options_init(&options, sizeof options);
            options.vector = talk.vector;
            options.op = STEER_OP_INTERVAL;
            options.strength = 1.0f;
            options.conditions = &condition;
            options.condition_count = 1;
            float* const fields[] = {&options.low, &options.high, &options.strength, &condition.enter, &condition.leave};
            *fields[field] = number;
            steer_injection_id id = 0;
            steer_error err{};
            taken(steer_injection_add(talk.session, &options, &id, &err), err);
            talk.check_steps();
        }
}

TEST_CASE("numbers of the sampler") {
    using Options = steer_generation_options;
    const std::vector<float Options::*> fields{&Options::temperature, &Options::top_p, &Options::min_p, &Options::typical_p,
                                               &Options::repeat_penalty, &Options::presence_penalty,
                                               &Options::frequency_penalty, &Options::kl_budget};
    for (const float number : kFaults) {
        for (const auto field : fields) {
            Talk talk;
            Options options = plain_generation();
            options.*field = number;
            steer_error err{};
            CAPTURE(number);
            taken(steer_session_set_generation(talk.session, &options, &err), err);
            talk.check_steps();
        }
        Talk talk;
        Options options = plain_generation();
        const steer_logit_bias biases[] = {{5, number}, {7, -number}};
        options.biases = biases;
        options.bias_count = 2;
        steer_error err{};
        taken(steer_session_set_generation(talk.session, &options, &err), err);
        talk.check_steps();
    }
}
