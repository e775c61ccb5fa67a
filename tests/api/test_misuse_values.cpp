// Numbers, enums, sizes and ids that cannot be: each refused by name.
#include "misuse.h"

#include <limits>

using namespace host;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

// Sets one field of options to a value that it cannot have, and is told the field's name.
template<class Options> struct Field {
    const char* name;
    int32_t Options::*field;
    int32_t last; // 0 to last are known
};
template<class Options, class Try>
void check_enums(std::initializer_list<Field<Options>> fields, Try try_with) {
    for (const Field<Options>& field : fields)
        for (const int32_t value : {-1, field.last + 1, INT32_MAX, INT32_MIN}) {
            Bench bench;
            steer_error error{};
            const steer_status status = try_with(bench, &error, [&](Options& options) { options.*field.field = value; });
            INFO(value);
            check_refused(field.name, status, error, STEER_ERR_ARG, field.name);
        }
}

} // namespace

TEST_CASE("an enum that is none is refused in every field") {
    check_enums<steer_model_options>({{"dtype", &steer_model_options::dtype, 3},
                                      {"weights", &steer_model_options::weights, 3},
                                      {"residency", &steer_model_options::residency, 2},
                                      {"priority", &steer_model_options::priority, 1}},
                                     [](Bench&, auto* error, auto change) { return load_with(error, change); });
    check_enums<steer_vector_options>({{"site_measured", &steer_vector_options::site_measured, 2},
                                       {"site_applied", &steer_vector_options::site_applied, 2}},
                                      [](Bench& b, auto* error, auto change) { return vector_with(b, error, change); });
    check_enums<steer_extract_options>({{"method", &steer_extract_options::method, 4},
                                        {"pooling", &steer_extract_options::pooling, 5}},
                                       [](Bench& b, auto* error, auto change) { return extract_with(b, error, change); });
    check_enums<steer_injection_options>({{"op", &steer_injection_options::op, 2},
                                          {"unit", &steer_injection_options::unit, 2},
                                          {"span", &steer_injection_options::span, 2},
                                          {"rows", &steer_injection_options::rows, 1}},
                                         [](Bench& b, auto* error, auto change) { return inject_with(b, error, change); });
    check_enums<steer_gauge_options>({{"metric", &steer_gauge_options::metric, 2},
                                      {"reduce", &steer_gauge_options::reduce, 2},
                                      {"reading", &steer_gauge_options::reading, 3},
                                      {"tap", &steer_gauge_options::tap, 1},
                                      {"scale", &steer_gauge_options::scale, 1},
                                      {"rows", &steer_gauge_options::rows, 1}},
                                     [](Bench& b, auto* error, auto change) { return gauge_with(b, error, change); });
    check_enums<steer_generation_options>({{"constraint", &steer_generation_options::constraint, 2},
                                           {"guard", &steer_generation_options::guard, 4},
                                           {"prompt_log_probs", &steer_generation_options::prompt_log_probs, 1}},
                                          [](Bench& b, auto* error, auto change) { return sample_with(b, error, change); });
    for (const int32_t odd : {-1, 99, INT32_MAX, INT32_MIN}) {
        Bench b;
        size_t size;
        steer_vector_layer layer;
        FAILS(steer_model_get_text(b.model, odd, nullptr, 0, &size, &err), STEER_ERR_ARG, "what");
        FAILS(steer_model_set_residency(b.model, odd, nullptr, nullptr, &err), STEER_ERR_ARG, "residency");
        FAILS(steer_vector_save(b.vector, "x", odd, &err), STEER_ERR_ARG, "format");
        FAILS(steer_vector_get_layer(b.vector, 0, odd, &layer, sizeof layer, &err), STEER_ERR_ARG, "rows");
    }
}

TEST_CASE("unknown flags are refused") {
    const uint32_t odd = 1u << 30;
    check_misuses({
        {"model_load", STEER_ERR_UNSUPPORTED, "flags", [&](Bench&, auto* error) { return load_with(error, [&](auto& o) { o.flags |= odd; }); }},
        {"chat", STEER_ERR_UNSUPPORTED, "flags", [&](Bench& b, auto* error) { return format_with(b.model, error, [&](auto& c) { c.flags = odd; }); }},
        {"text_encode", STEER_ERR_UNSUPPORTED, "flags", [&](Bench& b, auto* error) {
             size_t count;
             return steer_text_encode(b.model, "a", 1, odd, nullptr, 0, &count, error);
         }},
        {"text_decode", STEER_ERR_UNSUPPORTED, "flags", [&](Bench& b, auto* error) {
             size_t size;
             return steer_text_decode(b.model, nullptr, 0, odd, nullptr, 0, &size, error);
         }},
        {"state_save", STEER_ERR_UNSUPPORTED, "flags", [&](Bench& b, auto* error) {
             size_t size;
             return steer_session_state_save(b.session, odd, nullptr, 0, &size, error);
         }},
    });
}

TEST_CASE("numbers out of range are refused by name") {
    static const steer_logit_bias beyond{tiny::kVocabulary, 1.0f}, before{-1, 1.0f}, endless{1, kInf}, nothing{1, kNan};
    static const int32_t negative = -1, outside = tiny::kVocabulary;
    static const steer_view empty{"", 0};
    const auto sample = [](const char* name, auto change) {
        return Misuse{name, STEER_ERR_ARG, name, [change](Bench& b, auto* error) { return sample_with(b, error, change); }};
    };
    const auto session = [](const char* name, auto change) {
        return Misuse{name, STEER_ERR_ARG, name, [change](Bench& b, auto* error) { return create_with(b, error, change); }};
    };
    const auto gauge = [](const char* name, auto change) {
        return Misuse{name, STEER_ERR_ARG, name, [change](Bench& b, auto* error) { return gauge_with(b, error, change); }};
    };
    const auto injection = [](const char* name, auto change) {
        return Misuse{name, STEER_ERR_ARG, name, [change](Bench& b, auto* error) { return inject_with(b, error, change); }};
    };
    const auto tokens = [](const char* words, int32_t position, const int32_t* ids, size_t count) {
        return Misuse{"set_tokens", STEER_ERR_ARG, words, [=](Bench& b, auto* error) {
                          const steer_status status = steer_session_set_tokens(b.session, position, ids, nullptr, count, nullptr, error);
                          CHECK(info(b.session).turn == b.turn); // it began none
                          return status;
                      }};
    };
    check_misuses({
        sample("token_max", [](auto& o) { o.token_max = -1; }),
        sample("top_k", [](auto& o) { o.top_k = -1; }),
        sample("penalty_window", [](auto& o) { o.penalty_window = -2; }),
        sample("top_log_probs", [](auto& o) { o.top_log_probs = 21; }),
        sample("top_log_probs", [](auto& o) { o.top_log_probs = -1; }),
        sample("a bias's token", [](auto& o) { o.biases = &beyond, o.bias_count = 1; }),
        sample("a bias's token", [](auto& o) { o.biases = &before, o.bias_count = 1; }),
        sample("biases[0]", [](auto& o) { o.biases = &endless, o.bias_count = 1; }),
        sample("biases[0]", [](auto& o) { o.biases = &nothing, o.bias_count = 1; }),
        sample("stop token", [](auto& o) { o.stop_tokens = &negative, o.stop_token_count = 1; }),
        sample("stop token", [](auto& o) { o.stop_tokens = &outside, o.stop_token_count = 1; }),
        sample("stop_texts[0]", [](auto& o) { o.stop_texts = &empty, o.stop_text_count = 1; }),
        session("context_max", [](auto& o) { o.context_max = -1; }),
        session("context_max", [](auto& o) { o.context_max = INT32_MAX; }),
        session("prefill_chunk", [](auto& o) { o.prefill_chunk = INT32_MIN; }),
        session("injection_max", [](auto& o) { o.injection_max = 256; }),
        session("gauge_max", [](auto& o) { o.gauge_max = -1; }),
        gauge("window", [](auto& o) { o.window = 0; }),
        gauge("window", [](auto& o) { o.window = INT32_MAX; }),
        gauge("layer", [](auto& o) { o.layer_begin = -1, o.layer_end = INT32_MIN; }),
        gauge("layer", [](auto& o) { o.layer_begin = 40, o.layer_end = 41; }),
        injection("layer", [](auto& o) { o.layer_begin = INT32_MAX, o.layer_end = INT32_MIN; }),
        injection("layer", [](auto& o) { o.layer_begin = 3; }),
        injection("layer_scales", [](auto& o) {
            static const float scales[3] = {1.0f, 1.0f, 1.0f};
            o.layer_scales = scales; // and layer_end as init has it
        }),
        tokens("token -1 at index 0", 0, &negative, 1),
        tokens("outside the vocabulary", 0, &outside, 1),
        tokens("position is 9", 9, nullptr, 0),
        tokens("position is -2", -2, nullptr, 0),
        {"refresh", STEER_ERR_ARG, "position is -3", [](Bench& b, auto* error) { return steer_session_refresh(b.session, -3, error); }},
        {"refresh", STEER_ERR_ARG, "position is 4", [](Bench& b, auto* error) { return steer_session_refresh(b.session, 4, error); }},
        {"layer_begin", STEER_ERR_ARG, "layer_begin",
         [](Bench& b, auto* error) { return vector_with(b, error, [](auto& o) { o.layer_begin = -1; }); }},
        {"layer_begin", STEER_ERR_ARG, "out of range",
         [](Bench& b, auto* error) { return vector_with(b, error, [](auto& o) { o.layer_begin = INT32_MAX; }); }},
        {"extract layers", STEER_ERR_ARG, "layers",
         [](Bench& b, auto* error) { return extract_with(b, error, [](auto& o) { o.layer_begin = 2, o.layer_end = 1; }); }},
        {"device", STEER_ERR_ARG, "device is \"gpu\"",
         [](Bench&, auto* error) { return load_with(error, [](auto& o) { o.device = "gpu"; }); }},
        {"device", STEER_ERR_ARG, "device is \"cuda:9999\"",
         [](Bench&, auto* error) { return load_with(error, [](auto& o) { o.device = "cuda:9999"; }); }},
        {"threads", STEER_ERR_ARG, "intra_op", [](Bench&, auto* error) { return steer_threads_set(-1, 0, error); }},
        {"threads", STEER_ERR_ARG, "inter_op", [](Bench&, auto* error) { return steer_threads_set(0, INT32_MAX, error); }},
    });
}

TEST_CASE("a float that is no number, or far too large, is refused in every field") {
    const auto sample = [](const char* name, float steer_generation_options::*field) {
        for (const float odd : {kNan, kInf, -kInf, 1e38f, -1e38f}) {
            Bench b;
            FAILS(sample_with(b, &err, [&](auto& o) { o.*field = odd; }), STEER_ERR_ARG, name);
        }
    };
    sample("temperature", &steer_generation_options::temperature);
    sample("top_p", &steer_generation_options::top_p);
    sample("min_p", &steer_generation_options::min_p);
    sample("typical_p", &steer_generation_options::typical_p);
    sample("repeat_penalty", &steer_generation_options::repeat_penalty);
    sample("presence_penalty", &steer_generation_options::presence_penalty);
    sample("frequency_penalty", &steer_generation_options::frequency_penalty);
    Bench b;
    for (const float odd : {kNan, kInf, -kInf}) {
        FAILS(inject_with(b, &err, [&](auto& o) { o.strength = odd; }), STEER_ERR_ARG, "strength");
        FAILS(inject_with(b, &err, [&](auto& o) {
                  o.layer_begin = 0, o.layer_end = 1;
                  o.layer_scales = &odd;
              }), STEER_ERR_ARG, "layer scale");
        CHECK(steer_injection_set(b.session, b.injection, odd, 0) == STEER_ERR_ARG);
        FAILS(extract_with(b, &err, [&](auto& o) { o.holdout = odd; }), STEER_ERR_ARG, "holdout");
        const steer_vector* one = b.vector;
        const float weight = 1.0f;
        Vector out;
        FAILS(steer_vector_combine(&one, &odd, 1, 0.0f, out.out(), &err), STEER_ERR_ARG, "weight");
        FAILS(steer_vector_combine(&one, &weight, 1, odd, out.out(), &err), STEER_ERR_ARG, "norm");
        float row[16] = {1.0f};
        row[7] = odd;
        FAILS(steer_vector_create(row, 1, 16, nullptr, out.out(), &err), STEER_ERR_ARG, "not finite");
    }
    FAILS(inject_with(b, &err, [](auto& o) { o.strength_min = kNan; }), STEER_ERR_ARG, "strength_min");
    FAILS(inject_with(b, &err, [](auto& o) { o.strength_max = kNan; }), STEER_ERR_ARG, "strength_max");
    FAILS(inject_with(b, &err, [](auto& o) { o.strength_min = kInf; }), STEER_ERR_ARG, "leave no strength");
    CHECK(steer_injection_set(b.session, b.injection, 1.0f, -1) == STEER_ERR_ARG);
    CHECK(step(b.session).strengths[0] == 0.5f); // none of it was taken over
}

TEST_CASE("numbers at the edge of float give a token or STEER_ERR_NUMERIC") {
    const float denormal = 1e-40f, huge = 3e38f;
    const auto speaks = [](Bench& b) {
        step(b.session);
        const Step one = step(b.session);
        CHECK(one.c.token >= 0);
        CHECK(one.c.token < tiny::kRealVocabulary);
        CHECK(std::isfinite(one.c.log_prob));
    };
    for (const float value : {denormal, 0.0f, 1e-30f, 1e6f}) {
        Bench b;
        OK(sample_with(b, &err, [&](auto& o) { o.temperature = value; }));
        speaks(b);
    }
    for (auto field : {&steer_generation_options::top_p, &steer_generation_options::min_p, &steer_generation_options::typical_p}) {
        Bench b;
        OK(sample_with(b, &err, [&](auto& o) { o.*field = denormal; }));
        speaks(b);
    }
    for (const float value : {huge, -huge, denormal}) {
        Bench b;
        const steer_logit_bias twice[] = {{65, value}, {65, value}};
        OK(sample_with(b, &err, [&](auto& o) { o.biases = twice, o.bias_count = 2; }));
        speaks(b);
    }
    {
        Bench b; // so strong that the stream is no number any more: no token, and the session is as it was
        const auto before = list(b.session);
        step(b.session);
        CHECK(steer_injection_set(b.session, b.injection, huge, 0) == STEER_OK);
        OK(inject_with(b, &err, [&](auto& o) { o.strength = huge; }));
        steer_step out;
        FAILS(steer_session_step(b.session, &out, sizeof out, &err), STEER_ERR_NUMERIC, "lower the strengths");
        CHECK(out.token == -1);
        CHECK(list(b.session) == before);
    }
    {
        Bench b;
        CHECK(steer_injection_set(b.session, b.injection, denormal, INT32_MAX) == STEER_OK); // a ramp that never ends
        speaks(b);
        OK(sample_with(b, &err, [](auto& o) { o.token_max = o.top_k = o.penalty_window = INT32_MAX; }));
        speaks(b);
    }
}

TEST_CASE("ids that are not this session's, turns that are not now") {
    check_misuses({
        {"removed", STEER_ERR_ARG, "removed", [](Bench& b, auto* error) {
             OK(steer_injection_remove(b.session, b.injection, &err));
             CHECK(steer_injection_set(b.session, b.injection, 1.0f, 0) == STEER_ERR_ARG);
             return steer_injection_remove(b.session, b.injection, error);
         }},
        {"removed, and its slot given to another", STEER_ERR_ARG, "removed", [](Bench& b, auto* error) {
             OK(steer_injection_remove(b.session, b.injection, &err));
             const steer_injection_id next = inject(b.session, b.vector, 0.25f);
             CHECK(STEER_SLOT(next) == STEER_SLOT(b.injection));
             CHECK(steer_injection_set(b.session, b.injection, 1.0f, 0) == STEER_ERR_ARG);
             CHECK(step(b.session).strengths[STEER_SLOT(next)] == 0.25f);
             return steer_injection_remove(b.session, b.injection, error);
         }},
        {"a removed gauge", STEER_ERR_ARG, "removed", [](Bench& b, auto* error) {
             OK(steer_gauge_remove(b.session, b.gauge_id, &err));
             return steer_gauge_remove(b.session, b.gauge_id, error);
         }},
        {"a gauge as an injection", STEER_ERR_ARG, "is not one of this session",
         [](Bench& b, auto* error) { return steer_injection_remove(b.session, b.gauge_id, error); }},
        {"an injection as a gauge", STEER_ERR_ARG, "is not one of this session",
         [](Bench& b, auto* error) { return steer_gauge_remove(b.session, b.injection, error); }},
        {"of another session", STEER_ERR_ARG, "is not one of this session", [](Bench& b, auto* error) {
             Session other = create(b.model);
             const steer_injection_id strange = inject(other, b.vector, 1.0f);
             CHECK(steer_injection_set(b.session, strange, 9.0f, 0) == STEER_ERR_ARG);
             return steer_injection_remove(b.session, strange, error);
         }},
        {"of another session, a gauge", STEER_ERR_ARG, "is not one of this session", [](Bench& b, auto* error) {
             Session other = create(b.model);
             return steer_gauge_remove(b.session, gauge(other, b.vector, 1), error);
         }},
        {"null", STEER_ERR_ARG, "0x0", [](Bench& b, auto* error) { return steer_injection_remove(b.session, 0, error); }},
        {"a slot that is not there", STEER_ERR_ARG, "0xff", [](Bench& b, auto* error) { return steer_gauge_remove(b.session, 0xff, error); }},
        {"cancel of turns past and to come", STEER_OK, "", [](Bench& b, auto* error) {
             const uint32_t now = set_tokens(b.session, -1, {'d'});
             steer_session_cancel(b.session, b.turn);
             steer_session_cancel(b.session, now + 1);
             steer_session_cancel(b.session, UINT32_MAX);
             CHECK(step(b.session).c.finish == STEER_FINISH_NONE);
             steer_session_cancel(b.session, now);
             CHECK(step(b.session).c.finish == STEER_FINISH_CANCELLED);
             uint32_t next;
             return steer_session_set_tokens(b.session, -1, nullptr, nullptr, 0, &next, error);
         }},
        {"more injections than there are slots", STEER_ERR_STATE, "all 16 injections", [](Bench& b, auto* error) {
             for (int i = 1; i < 16; i++) inject(b.session, b.vector, 0.0f);
             return inject_with(b, error, [](auto&) {});
         }},
    });
}
