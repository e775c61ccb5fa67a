#include "misuse.h"

namespace host {
namespace {

template<class Call> HandleFunction of_model(const char* name, Call call) {
    return {name, [call](Bench& bench, void* handle, steer_error* error) {
                return call(bench, static_cast<steer_model*>(handle), error);
            }};
}
template<class Call> HandleFunction of_vector(const char* name, Call call) {
    return {name, [call](Bench& bench, void* handle, steer_error* error) {
                return call(bench, static_cast<steer_vector*>(handle), error);
            }};
}
template<class Call> HandleFunction of_session(const char* name, Call call) {
    return {name, [call](Bench& bench, void* handle, steer_error* error) {
                return call(bench, static_cast<steer_session*>(handle), error);
            }};
}

int32_t go_on(void*, const steer_step*) { return 0; }

} // namespace

std::vector<HandleFunction> model_functions() {
    return {
        of_model("get_info", [](Bench&, auto* m, auto* error) {
            steer_model_info info;
            return steer_model_get_info(m, &info, sizeof info, error);
        }),
        of_model("get_text", [](Bench&, auto* m, auto* error) {
            size_t size;
            return steer_model_get_text(m, STEER_MODEL_CONFIG, nullptr, 0, &size, error);
        }),
        of_model("set_residency", [](Bench&, auto* m, auto* error) {
            return steer_model_set_residency(m, STEER_RESIDENCY_DEVICE, nullptr, nullptr, error);
        }),
        of_model("export", [](Bench&, auto* m, auto* error) {
            return steer_model_export(m, "/nowhere/at/all", nullptr, nullptr, error);
        }),
        of_model("encode", [](Bench&, auto* m, auto* error) {
            size_t count;
            return steer_text_encode(m, "a", 1, 0, nullptr, 0, &count, error);
        }),
        of_model("decode", [](Bench&, auto* m, auto* error) {
            size_t size;
            return steer_text_decode(m, nullptr, 0, 0, nullptr, 0, &size, error);
        }),
        of_model("chat_format", [](Bench&, auto* m, auto* error) { return format_with(m, error, [](auto&) {}); }),
        of_model("chat_encode", [](Bench&, auto* m, auto* error) {
            steer_chat chat;
            steer_chat_init(&chat, sizeof chat);
            size_t count;
            return steer_chat_encode(m, &chat, nullptr, nullptr, nullptr, 0, &count, error);
        }),
        of_model("vector_extract", [](Bench&, auto* m, auto* error) {
            const steer_contrast_pair pair{};
            Vector out;
            return steer_vector_extract(m, &pair, 1, nullptr, out.out(), error);
        }),
        of_model("session_create", [](Bench&, auto* m, auto* error) {
            Session out;
            return steer_session_create(m, nullptr, out.out(), error);
        }),
    };
}

std::vector<HandleFunction> vector_functions() {
    return {
        of_vector("save", [](Bench&, auto* v, auto* error) { return steer_vector_save(v, "/nowhere/x", STEER_FORMAT_NATIVE, error); }),
        of_vector("get_info", [](Bench&, auto* v, auto* error) {
            steer_vector_info info;
            return steer_vector_get_info(v, &info, sizeof info, error);
        }),
        of_vector("get_layer", [](Bench&, auto* v, auto* error) {
            steer_vector_layer layer;
            return steer_vector_get_layer(v, 0, STEER_ROWS_WRITE, &layer, sizeof layer, error);
        }),
        of_vector("get_metadata", [](Bench&, auto* v, auto* error) {
            size_t size;
            return steer_vector_get_metadata(v, nullptr, 0, &size, error);
        }),
        of_vector("combine", [](Bench& bench, auto* v, auto* error) {
            const steer_vector* both[] = {bench.vector, v};
            const float weights[] = {1.0f, 1.0f};
            Vector out;
            return steer_vector_combine(both, weights, 2, 0.0f, out.out(), error);
        }),
        of_vector("injection_add", [](Bench& bench, auto* v, auto* error) {
            return inject_with(bench, error, [&](auto& options) { options.vector = v; });
        }),
        of_vector("gauge_add", [](Bench& bench, auto* v, auto* error) {
            return gauge_with(bench, error, [&](auto& options) { options.vector = v; });
        }),
    };
}

std::vector<HandleFunction> session_functions() {
    return {
        of_session("fork", [](Bench&, auto* s, auto* error) {
            Session out;
            return steer_session_fork(s, out.out(), error);
        }),
        of_session("get_info", [](Bench&, auto* s, auto* error) {
            steer_session_info info;
            return steer_session_get_info(s, &info, sizeof info, error);
        }),
        of_session("get_tokens", [](Bench&, auto* s, auto* error) {
            size_t count;
            return steer_session_get_tokens(s, nullptr, nullptr, 0, &count, error);
        }),
        of_session("set_tokens", [](Bench&, auto* s, auto* error) {
            return steer_session_set_tokens(s, -1, nullptr, nullptr, 0, nullptr, error);
        }),
        of_session("refresh", [](Bench&, auto* s, auto* error) { return steer_session_refresh(s, 0, error); }),
        of_session("injection_add", [](Bench& bench, auto* s, auto* error) {
            steer_injection_options options;
            steer_injection_options_init(&options, sizeof options);
            options.vector = bench.vector;
            steer_injection_id id;
            return steer_injection_add(s, &options, &id, error);
        }),
        of_session("injection_remove", [](Bench& bench, auto* s, auto* error) {
            return steer_injection_remove(s, bench.injection, error);
        }),
        of_session("gauge_add", [](Bench& bench, auto* s, auto* error) {
            steer_gauge_options options;
            steer_gauge_options_init(&options, sizeof options);
            options.vector = bench.vector;
            steer_gauge_id id;
            return steer_gauge_add(s, &options, &id, error);
        }),
        of_session("gauge_remove", [](Bench& bench, auto* s, auto* error) { return steer_gauge_remove(s, bench.gauge_id, error); }),
        of_session("set_generation", [](Bench&, auto* s, auto* error) {
            const steer_generation_options options = plain_generation();
            return steer_session_set_generation(s, &options, error);
        }),
        of_session("step", [](Bench&, auto* s, auto* error) {
            steer_step out;
            const steer_status status = steer_session_step(s, &out, sizeof out, error);
            CHECK(out.status == status);
            CHECK(out.text.data != nullptr); // also where nothing was done
            return status;
        }),
        of_session("generate", [](Bench&, auto* s, auto* error) { return steer_session_generate(s, go_on, nullptr, error); }),
        of_session("state_save", [](Bench&, auto* s, auto* error) {
            size_t size;
            return steer_session_state_save(s, 0, nullptr, 0, &size, error);
        }),
        of_session("state_load", [](Bench&, auto* s, auto* error) { return steer_session_state_load(s, "x", 1, error); }),
    };
}

} // namespace host
