// Features that are not built yet: each is refused by name, none is ignored.
#define STEER_ENABLE_UNSTABLE
#include "host.h"

using namespace host;

TEST_CASE("what is not built yet is refused by name") {
    Model model = load();
    Session session = create(model);
    Vector vector = axis_vector(model, 0);
    steer_injection_id id = 0;
    const auto refuse_injection = [&](auto change, const char* words) {
        steer_injection_options options;
        steer_injection_options_init(&options, sizeof options);
        options.vector = vector;
        change(options);
        FAILS(steer_injection_add(session, &options, &id, &err), STEER_ERR_UNSUPPORTED, words);
    };
    refuse_injection([](auto& o) { o.op = STEER_OP_INTERVAL; }, "INTERVAL");
    refuse_injection([](auto& o) { o.unit = STEER_UNIT_RELATIVE; }, "steer_vector_calibrate");
    refuse_injection([](auto& o) { o.unit = STEER_UNIT_GAPS; }, "steer_vector_calibrate");
    refuse_injection([](auto& o) { o.hold_gauge = 1; }, "hold");
    refuse_injection([](auto& o) { o.condition_count = 1; }, "conditions");
    const auto refuse_gauge = [&](auto change, const char* words) {
        steer_gauge_options options;
        steer_gauge_options_init(&options, sizeof options);
        options.vector = vector;
        change(options);
        FAILS(steer_gauge_add(session, &options, &id, &err), STEER_ERR_UNSUPPORTED, words);
    };
    refuse_gauge([](auto& o) { o.reading = STEER_READING_OWN_CORRECTED; }, "reading");
    refuse_gauge([](auto& o) { o.reading = STEER_READING_TWIN; }, "TWIN");
    refuse_gauge([](auto& o) { o.scale = STEER_SCALE_CALIBRATED; }, "CALIBRATED");
    const auto refuse_generation = [&](auto change, const char* words) {
        steer_generation_options options = plain_generation();
        change(options);
        FAILS(steer_session_set_generation(session, &options, &err), STEER_ERR_UNSUPPORTED, words);
    };
    refuse_generation([](auto& o) { o.guard = STEER_GUARD_REPORT; }, "guard");
    refuse_generation([](auto& o) { o.kl_budget = 1.0f; }, "kl_budget");
    const auto refuse_load = [&](auto change, const char* words) {
        steer_model_options options;
        steer_model_options_init(&options, sizeof options);
        change(options);
        steer_model* out = nullptr;
        FAILS(steer_model_load(folder().path().c_str(), &options, &out, &err), STEER_ERR_UNSUPPORTED, words);
    };
    refuse_load([](auto& o) { o.weights = STEER_WEIGHTS_INT8; }, "weights");
    refuse_load([](auto& o) { o.flags = STEER_MODEL_VERIFY; }, "steer_manifest.json");
    refuse_load([](auto& o) { o.flags = 1u << 30; }, "flags");
    steer_session_options twin;
    steer_session_options_init(&twin, sizeof twin);
    twin.twin = 1;
    steer_session* no_session = nullptr;
    FAILS(steer_session_create(model, &twin, &no_session, &err), STEER_ERR_UNSUPPORTED, "twin");
    steer_vector* no_vector = nullptr;
    FAILS(steer_vector_calibrate(model, vector, nullptr, 0, nullptr, &no_vector, &err), STEER_ERR_UNSUPPORTED, "calibrate");
    const steer_contrast_pair pair{};
    steer_extract_options extract;
    steer_extract_options_init(&extract, sizeof extract);
    extract.method = STEER_METHOD_PROBE;
    FAILS(steer_vector_extract(model, &pair, 1, &extract, &no_vector, &err), STEER_ERR_UNSUPPORTED, "probes");
    steer_adapter* adapter = nullptr;
    FAILS(steer_adapter_load(model, "x", &adapter, &err), STEER_ERR_UNSUPPORTED, "adapter");
    FAILS(steer_session_observe(session, nullptr, 0, nullptr, nullptr, &err), STEER_ERR_UNSUPPORTED, "observe");
}
