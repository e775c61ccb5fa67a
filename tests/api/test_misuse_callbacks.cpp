// What a host may do, and may not, inside a callback or beside a running call.
#include "misuse.h"

#include <atomic>
#include <set>
#include <thread>

using namespace host;

namespace {

const std::set<std::string> kControls = {"get_info", "injection_add", "injection_remove", "gauge_add", "gauge_remove", "set_generation"};

using Inside = std::function<int32_t(const steer_step&)>;
int32_t call_inside(void* user, const steer_step* step) { return (*static_cast<Inside*>(user))(*step); }
steer_status generate(Bench& bench, steer_error* error, Inside inside) {
    return steer_session_generate(bench.session, call_inside, &inside, error);
}

using InProgress = std::function<int32_t(float)>;
int32_t call_progress(void* user, float fraction) { return (*static_cast<InProgress*>(user))(fraction); }

// What each function of the session says while its conversation is at work.
void check_beside(Bench& bench) {
    for (const HandleFunction& function : session_functions()) {
        steer_error error{};
        const steer_status status = function.call(bench, bench.session, &error);
        const bool control = kControls.count(function.name) > 0;
        check_refused(function.name, status, error, control ? STEER_OK : STEER_ERR_BUSY, control ? "" : "another call");
    }
    steer_session* const ss[] = {bench.session};
    steer_step out;
    steer_error error{};
    CHECK(steer_session_step_many(ss, 1, &out, sizeof out, &error) == STEER_OK);
    CHECK(out.status == STEER_ERR_BUSY);
    CHECK(error.status == STEER_ERR_BUSY);
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    size_t count;
    FAILS(steer_chat_encode(bench.model, &chat, bench.session, nullptr, nullptr, 0, &count, &err), STEER_ERR_BUSY, "another call");
}

steer_generation_options ends_after(int32_t tokens) {
    steer_generation_options options = plain_generation();
    options.token_max = tokens;
    return options;
}

// Whatever a callback throws.
const std::pair<const char*, std::function<void()>> kThrows[] = {
    {"which it must not", [] { throw std::string("a string"); }},
    {"which it must not", [] { throw 42; }},
    {"the host's own words", [] { throw std::runtime_error("the host's own words"); }},
    {"bad_alloc", [] { throw std::bad_alloc(); }},
};

} // namespace

TEST_CASE("inside its own callback a session's conversation is busy, its controls are not") {
    Bench bench;
    set_generation(bench.session, ends_after(3));
    bool first = true;
    OK(generate(bench, &err, [&](const steer_step&) {
        if (std::exchange(first, false)) check_beside(bench);
        return 0;
    }));
    CHECK(info(bench.session).turn == bench.turn);
}

TEST_CASE("so it is for another thread") {
    Bench bench;
    set_generation(bench.session, ends_after(3));
    bool first = true;
    OK(generate(bench, &err, [&](const steer_step&) {
        if (std::exchange(first, false)) std::thread([&] { check_beside(bench); }).join();
        return 0;
    }));
}

TEST_CASE("other sessions and the model may be used inside a callback") {
    Bench bench, other;
    set_generation(bench.session, ends_after(3));
    OK(generate(bench, &err, [&](const steer_step&) {
        CHECK(step(other.session).c.status == STEER_OK);
        steer_model_info model;
        CHECK(steer_model_get_info(bench.model, &model, sizeof model, nullptr) == STEER_OK);
        Session made = create(bench.model);
        return 0;
    }));
}

TEST_CASE("cancelled inside a callback, the turn ends with a step that says so") {
    Bench bench;
    int32_t last = 0;
    OK(generate(bench, &err, [&](const steer_step& step) {
        steer_session_cancel(bench.session, step.turn);
        last = step.finish;
        return 0;
    }));
    CHECK(last == STEER_FINISH_CANCELLED);
}

TEST_CASE("freed inside a callback") {
    check_misuses({
        {"the session", STEER_ERR_CANCELLED, "freed", [](Bench& b, auto* error) {
             Session session = create(b.model);
             set_tokens(session, 0, {'a'});
             int calls = 0;
             Inside inside = [&](const steer_step&) {
                 session = Session();
                 calls++;
                 return 0;
             };
             steer_session* const handle = session;
             const steer_status told = steer_session_generate(handle, call_inside, &inside, error);
             CHECK(calls == 1);
             steer_session_info info;
             CHECK(steer_session_get_info(handle, &info, sizeof info, nullptr) == STEER_ERR_ARG);
             return told;
         }},
        {"the model and the vector: the session keeps them", STEER_OK, "", [](Bench&, auto* error) {
             Model model = load();
             Session session = create(model);
             Vector vector = axis_vector(model, 2);
             inject(session, vector, 1.0f);
             set_tokens(session, 0, {'a', 'b'});
             set_generation(session, ends_after(4));
             Inside inside = [&](const steer_step&) {
                 model = Model();
                 vector = Vector();
                 return 0;
             };
             return steer_session_generate(session, call_inside, &inside, error);
         }},
        {"the weights", STEER_ERR_STATE, "weights are not on the device", [](Bench&, auto* error) {
             Model model = load();
             Session session = create(model);
             set_tokens(session, 0, {'a', 'b'});
             Inside inside = [&](const steer_step&) {
                 OK(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err));
                 return 0;
             };
             const steer_status told = steer_session_generate(session, call_inside, &inside, error);
             OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
             step(session);
             return told;
         }},
    });
}

TEST_CASE("freed by another thread while it generates") {
    check_misuses({{"freed elsewhere", STEER_ERR_CANCELLED, "freed", [](Bench& b, auto* error) {
                        Session session = create(b.model);
                        set_tokens(session, 0, {'a'});
                        set_generation(session, plain_generation());
                        Inside inside = [&](const steer_step&) {
                            steer_session* const handle = session;
                            std::thread first([&] { steer_session_free(handle); }), second([&] { steer_session_free(handle); });
                            first.join(); // two at once, and once more when session ends
                            second.join();
                            return 0;
                        };
                        return steer_session_generate(session, call_inside, &inside, error);
                    }}});
}

TEST_CASE("a callback that throws ends its call with one status, and harms nothing") {
    for (const auto& [words, throws] : kThrows)
        check_misuses({
            {"generate", STEER_ERR_INTERNAL, words, [&](Bench& b, auto* error) {
                 const steer_status told = generate(b, error, [&](const steer_step&) -> int32_t {
                     throws();
                     return 0;
                 });
                 CHECK_THAT(error->message, Catch::Contains("callback threw"));
                 return told;
             }},
            {"set_residency", STEER_ERR_INTERNAL, words, [&](Bench&, auto* error) {
                 Model model = load(STEER_RESIDENCY_NONE);
                 InProgress inside = [&](float) -> int32_t {
                     throws();
                     return 0;
                 };
                 const steer_status told = steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, call_progress, &inside, error);
                 steer_model_info now;
                 CHECK(steer_model_get_info(model, &now, sizeof now, nullptr) == STEER_OK);
                 CHECK(now.residency == STEER_RESIDENCY_NONE);
                 OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
                 return told;
             }},
            {"model_load", STEER_ERR_INTERNAL, words, [&](Bench&, auto* error) {
                 InProgress inside = [&](float) -> int32_t {
                     throws();
                     return 0;
                 };
                 return load_with(error, [&](auto& o) {
                     o.residency = STEER_RESIDENCY_DEVICE;
                     o.progress_fn = call_progress;
                     o.progress_user = &inside;
                 });
             }},
            {"vector_extract", STEER_ERR_INTERNAL, words, [&](Bench& b, auto* error) {
                 InProgress inside = [&](float) -> int32_t {
                     throws();
                     return 0;
                 };
                 return extract_with(b, error, [&](auto& o) { o.progress_fn = call_progress, o.progress_user = &inside; });
             }},
        });
}

TEST_CASE("a progress function may not drive the model that calls it") {
    Model model = load(STEER_RESIDENCY_NONE);
    Session session = create(model);
    set_tokens(session, 0, {'a', 'b'});
    int calls = 0;
    InProgress inside = [&](float) {
        calls++;
        steer_step out;
        steer_model_info now;
        FAILS(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err), STEER_ERR_BUSY, "wait for itself");
        CHECK(steer_model_get_info(model, &now, sizeof now, nullptr) == STEER_OK);
        FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_STATE, "weights"); // they are on their way
        Bench other; // another model
        CHECK(step(other.session).c.status == STEER_OK);
        return 0;
    };
    OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, call_progress, &inside, &err));
    CHECK(calls > 1);
    step(session);
    inside = [&](float) { return 1; };
    OK(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err));
    FAILS(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, call_progress, &inside, &err), STEER_ERR_CANCELLED, "stopped");
}

TEST_CASE("a progress function may free the model, which ends the call") {
    check_misuses({
        {"set_residency", STEER_ERR_CANCELLED, "stopped", [](Bench&, auto* error) {
             Model model = load(STEER_RESIDENCY_NONE);
             InProgress inside = [&](float) {
                 model = Model();
                 return 0;
             };
             return steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, call_progress, &inside, error);
         }},
        {"vector_extract", STEER_ERR_CANCELLED, "stopped", [](Bench& b, auto* error) {
             Model model = load();
             steer_model* const shared = std::exchange(b.model, static_cast<steer_model*>(model));
             InProgress inside = [&](float) {
                 model = Model();
                 return 0;
             };
             const steer_status told =
                 extract_with(b, error, [&](auto& o) { o.progress_fn = call_progress, o.progress_user = &inside; });
             b.model = shared;
             return told;
         }},
    });
}

TEST_CASE("two calls on one conversation: one of them is busy") {
    Bench bench;
    set_generation(bench.session, ends_after(200));
    std::atomic<int> inside{0}, ok{0}, busy{0}, others{0};
    const auto speak = [&] {
        steer_error error{};
        const steer_status status = generate(bench, &error, [&](const steer_step&) {
            if (++inside != 1) others++; // never two at once
            std::this_thread::yield();
            inside--;
            return 0;
        });
        (status == STEER_OK ? ok : status == STEER_ERR_BUSY ? busy : others)++;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; i++) threads.emplace_back(speak);
    for (std::thread& thread : threads) thread.join();
    CHECK(ok >= 1);
    CHECK(ok + busy == 6);
    CHECK(others == 0);
}
