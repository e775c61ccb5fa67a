// Chapters 12 and 13 of the header: saved conversations, observers, and what is not built yet.
#define STEER_ENABLE_UNSTABLE
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"

using namespace steer;

extern "C" {

steer_status steer_session_state_save(const steer_session* s, uint32_t flags, void* buf, size_t cap, size_t* size,
                                      steer_error* err) {
    return guard(err, [&] {
        const Buffer buffer(cap, size, "size");
        const PinnedSession session(s, "session");
        check_flags(flags, STEER_STATE_CACHE, "flags");
        session->save_state((flags & STEER_STATE_CACHE) != 0, [&](size_t needed) {
            return buffer.fits(needed, buf) ? static_cast<char*>(buf) : nullptr;
        });
    });
}

steer_status steer_session_state_load(steer_session* s, const void* buf, size_t size, steer_error* err) {
    return guard(err, [&] {
        need(buf, "buf");
        PinnedSession(s, "session")->load_state(read_view({static_cast<const char*>(buf), size}, "buf"));
    });
}

STEER_API steer_status steer_adapter_load(const steer_model*, const char*, steer_adapter** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        not_built("steer_adapter_load", "adapters are not built yet");
    });
}

STEER_API void steer_adapter_free(steer_adapter*) {} // there is none to free

STEER_API steer_status steer_session_set_adapters(steer_session*, const steer_adapter* const*, const float*, size_t,
                                                  steer_error* err) {
    return guard(err, [] { not_built("steer_session_set_adapters", "adapters are not built yet"); });
}

STEER_API steer_status steer_session_observe(steer_session* s, const int32_t* layers, size_t count, steer_observe_fn fn, void* user,
                                             steer_error* err) {
    return guard(err, [&] {
        const PinnedSession session(s, "session");
        const auto wanted = read_array(layers, count, "layers");
        if (wanted.empty() != (fn == nullptr))
            fail(STEER_ERR_ARG, "layers and fn belong together: both, or neither to end it");
        const ModelConfig& config = session->model().config();
        auto observer = std::make_shared<Observer>();
        observer->sites.resize(static_cast<size_t>(config.layer_count) + 1);
        for (const int32_t layer : wanted) observer->sites[static_cast<size_t>(check_int(layer, -1, config.layer_count - 1, "a layer") + 1)] = 1;
        observer->look = [fn, user, size = static_cast<size_t>(config.hidden_size)](int32_t site, int32_t position, float* hidden, size_t rows) {
            return fn(user, site, position, hidden, rows, size) == 1;
        };
        session->observe(wanted.empty() ? nullptr : std::move(observer));
    });
}

} // extern "C"
