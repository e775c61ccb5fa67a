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
    refuse_injection([](auto& o) { o.unit = STEER_UNIT_RELATIVE; }, "steer_vector_calibrate");
    refuse_injection([](auto& o) { o.unit = STEER_UNIT_GAPS; }, "steer_vector_calibrate");
    const auto refuse_gauge = [&](auto change, const char* words) {
        steer_gauge_options options;
        steer_gauge_options_init(&options, sizeof options);
        options.vector = vector;
        change(options);
        FAILS(steer_gauge_add(session, &options, &id, &err), STEER_ERR_UNSUPPORTED, words);
    };
    refuse_gauge([](auto& o) { o.reading = STEER_READING_OWN_CORRECTED; }, "reading");
    refuse_gauge([](auto& o) { o.scale = STEER_SCALE_CALIBRATED; }, "CALIBRATED");
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
    steer_adapter* adapter = nullptr;
    FAILS(steer_adapter_load(model, "x", &adapter, &err), STEER_ERR_UNSUPPORTED, "adapter");
}
