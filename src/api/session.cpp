// Chapter 8 of the header: sessions, their tokens and their cache.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"

using namespace steer;

namespace {

constexpr int32_t kControlsDefault = 16, kControlsMax = 255;

steer_session_options default_options() {
    steer_session_options options{};
    options.struct_size = sizeof options;
    options.injection_max = options.gauge_max = kControlsDefault;
    return options;
}

} // namespace

extern "C" {

void steer_session_options_init(steer_session_options* o, size_t struct_size) {
    write_defaults(o, struct_size, default_options());
}

steer_status steer_session_create(steer_model* m, const steer_session_options* o, steer_session** out,
                                  steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        const PinnedModel model(m, "model");
        const steer_session_options given = read_options(o, default_options(), "steer_session_options");
        SessionOptions options;
        options.context_max = check_int(given.context_max, 0, INT32_MAX, "context_max");
        options.prefill_chunk = check_int(given.prefill_chunk, 0, INT32_MAX, "prefill_chunk");
        options.twin = check_int(given.twin, 0, 1, "twin") != 0;
        options.injection_max = check_int(given.injection_max, 0, kControlsMax, "injection_max");
        options.gauge_max = check_int(given.gauge_max, 0, kControlsMax, "gauge_max");
        *out = to_handle(std::make_shared<Session>(model.share(), options));
    });
}

void steer_session_free(steer_session* s) {
    guard_void([&] {
        PinnedSession session(s);
        if (session && session.remove()) session->close();
    });
}

steer_status steer_session_fork(const steer_session* s, steer_session** out, steer_error* err) {
    return guard(err, [&] {
        clear_out(out, "out");
        *out = to_handle(PinnedSession(s, "session")->fork());
    });
}

steer_status steer_session_get_info(const steer_session* s, steer_session_info* out, size_t out_size,
                                    steer_error* err) {
    return guard(err, [&] {
        need_out(out, out_size);
        write_out(out, out_size, PinnedSession(s, "session")->info());
    });
}

steer_status steer_session_get_tokens(const steer_session* s, int32_t* ids, uint8_t* marks, size_t cap, size_t* count,
                                      steer_error* err) {
    return guard(err, [&] {
        const Buffer buffer(cap, count, "count");
        const auto [list, list_marks] = PinnedSession(s, "session")->tokens();
        if (!buffer.fits(list.size(), ids, marks)) return;
        if (ids != nullptr) std::copy(list.begin(), list.end(), ids);
        if (marks != nullptr) std::copy(list_marks.begin(), list_marks.end(), marks);
    });
}

steer_status steer_session_set_tokens(steer_session* s, int32_t position, const int32_t* ids, const uint8_t* marks,
                                      size_t count, uint32_t* turn, steer_error* err) {
    return guard(err, [&] {
        if (turn != nullptr) *turn = 0;
        const PinnedSession session(s, "session");
        const uint32_t begun = session->set_tokens(position, read_array(ids, count, "ids"), marks);
        if (turn != nullptr) *turn = begun;
    });
}

steer_status steer_session_refresh(steer_session* s, int32_t position, steer_error* err) {
    return guard(err, [&] { PinnedSession(s, "session")->refresh(position); });
}

} // extern "C"
