// Many threads at the C door: sessions of one model, controls from outside, cancelling and freeing under way.
#include "host.h"

#include <atomic>
#include <thread>

using namespace host;

namespace {

std::vector<int32_t> prompt_of(int seed, int length) {
    std::vector<int32_t> ids;
    for (int i = 0; i < length; i++) ids.push_back((i * 13 + seed * 71) % 256);
    return ids;
}

std::vector<int32_t> converse(steer_model* model, int seed) {
    steer_session* session = nullptr;
    steer_session_options session_options;
    steer_session_options_init(&session_options, sizeof session_options);
    session_options.prefill_chunk = 16;
    if (steer_session_create(model, &session_options, &session, nullptr) != STEER_OK) return {};
    steer_generation_options options = plain_generation();
    options.seed = static_cast<uint64_t>(seed) + 1;
    steer_session_set_generation(session, &options, nullptr);
    const auto prompt = prompt_of(seed, 20 + 15 * seed);
    steer_session_set_tokens(session, 0, prompt.data(), nullptr, prompt.size(), nullptr, nullptr);
    std::vector<int32_t> tokens;
    while (tokens.size() < 30) {
        steer_step out;
        if (steer_session_step(session, &out, sizeof out, nullptr) != STEER_OK) break;
        if (out.token >= 0) tokens.push_back(out.token);
    }
    steer_session_free(session);
    return tokens;
}

} // namespace

TEST_CASE("conversations in many threads are what they are alone") {
    Model model = load();
    std::vector<std::vector<int32_t>> alone, together(6);
    for (int i = 0; i < 6; i++) alone.push_back(converse(model, i));
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; i++) threads.emplace_back([&, i] { together[static_cast<size_t>(i)] = converse(model, i); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& tokens : alone) CHECK(tokens.size() == 30);
    CHECK(together == alone);
}

TEST_CASE("controls move while the session speaks") {
    Model model = load();
    Session session = create(model);
    Vector vector = axis_vector(model, 3);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt_of(1, 30));
    const steer_injection_id id = inject(session, vector, 0.0f);
    std::atomic<bool> done{false};
    std::atomic<int> failures{0};
    std::thread slider([&] {
        for (int i = 0; !done; i++) {
            if (steer_injection_set(session, id, static_cast<float>(i % 5), i % 3) != STEER_OK) failures++;
            steer_session_info now;
            if (steer_session_get_info(session, &now, sizeof now, nullptr) != STEER_OK) failures++;
            if (now.computed_count > now.token_count) failures++;
        }
    });
    std::thread gauges([&] {
        while (!done) {
            steer_gauge_options options;
            steer_gauge_options_init(&options, sizeof options);
            options.vector = vector;
            steer_gauge_id gauge = 0;
            if (steer_gauge_add(session, &options, &gauge, nullptr) != STEER_OK) failures++;
            if (steer_gauge_remove(session, gauge, nullptr) != STEER_OK) failures++;
            const steer_generation_options generation = plain_generation();
            if (steer_session_set_generation(session, &generation, nullptr) != STEER_OK) failures++;
        }
    });
    for (int i = 0; i < 60; i++) {
        const Step one = step(session);
        REQUIRE(one.strengths.size() == 1);
        CHECK((one.strengths[0] >= 0.0f && one.strengths[0] <= 4.0f));
    }
    done = true;
    slider.join();
    gauges.join();
    CHECK(failures == 0);
}

TEST_CASE("a session is one thread's at a time, and says so") {
    Model model = load();
    Session session = create(model, 0, 8);
    set_tokens(session, 0, prompt_of(2, 1500));
    std::atomic<int> ok{0}, busy{0}, other{0};
    const auto drive = [&] {
        for (int i = 0; i < 40; i++) {
            steer_step out;
            const steer_status status = steer_session_step(session, &out, sizeof out, nullptr);
            (status == STEER_OK ? ok : status == STEER_ERR_BUSY ? busy : other)++;
        }
    };
    std::thread first(drive), second(drive);
    first.join();
    second.join();
    CHECK(ok + busy == 80);
    CHECK(other == 0);
    CHECK(info(session).computed_count == 8 * ok); // no step was lost and none ran twice
}

TEST_CASE("cancel from another thread ends the turn that it names") {
    Model model = load();
    Session session = create(model);
    steer_generation_options options = plain_generation();
    set_generation(session, options);
    const uint32_t turn = set_tokens(session, 0, prompt_of(3, 200));
    std::atomic<int> tokens{0};
    std::thread stopper([&] {
        while (tokens < 3) std::this_thread::yield();
        steer_session_cancel(session, turn);
    });
    const auto count = [](void* user, const steer_step* one) -> int32_t {
        if (one->token >= 0) (*static_cast<std::atomic<int>*>(user))++;
        return 0;
    };
    OK(steer_session_generate(session, count, &tokens, &err)); // without the cancel: 1,848 tokens
    stopper.join();
    CHECK(step(session).c.finish == STEER_FINISH_CANCELLED);
    set_tokens(session, -1, {'a'});
    CHECK(step(session).c.finish == STEER_FINISH_NONE);
}

TEST_CASE("freed elsewhere, a running call ends") {
    Model model = load();
    steer_session* session = nullptr;
    OK(steer_session_create(model, nullptr, &session, &err));
    const auto prompt = prompt_of(4, 50);
    OK(steer_session_set_tokens(session, 0, prompt.data(), nullptr, prompt.size(), nullptr, &err));
    const steer_generation_options options = plain_generation();
    OK(steer_session_set_generation(session, &options, &err));
    std::atomic<int> steps{0};
    std::thread ending([&] {
        while (steps < 2) std::this_thread::yield();
        steer_session_free(session);
    });
    const auto count = [](void* user, const steer_step*) -> int32_t {
        (*static_cast<std::atomic<int>*>(user))++;
        return 0;
    };
    FAILS(steer_session_generate(session, count, &steps, &err), STEER_ERR_CANCELLED, "freed");
    ending.join();
}

TEST_CASE("weights leave and return while others speak") {
    Model model = load();
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0}, stepped{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&, i] {
            steer_session* session = nullptr;
            steer_session_create(model, nullptr, &session, nullptr);
            const auto prompt = prompt_of(i, 40);
            while (!done) {
                steer_session_set_tokens(session, 0, prompt.data(), nullptr, prompt.size(), nullptr, nullptr);
                for (int n = 0; n < 5; n++) {
                    steer_step out;
                    const steer_status status = steer_session_step(session, &out, sizeof out, nullptr);
                    if (status == STEER_OK) stepped++;
                    else if (status != STEER_ERR_STATE) wrong++;
                }
            }
            steer_session_free(session);
        });
    for (int i = 0; i < 15 || stepped < 20; i++) {
        OK(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err));
        OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("handles are made and freed by many at once") {
    Model model = load();
    Session base = create(model);
    set_tokens(base, 0, prompt_of(5, 70));
    reply(base, 3);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    std::atomic<steer_session*> shared{nullptr};
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] {
            for (int n = 0; n < 40; n++) {
                steer_session* fork = nullptr;
                const steer_status status = steer_session_fork(base, &fork, nullptr);
                if (status == STEER_ERR_BUSY) continue;
                if (status != STEER_OK) wrong++;
                steer_step out;
                if (steer_session_step(fork, &out, sizeof out, nullptr) != STEER_OK) wrong++;
                steer_session* stale = shared.exchange(fork); // somebody else frees it
                steer_session_info info;
                const steer_status seen = steer_session_get_info(stale, &info, sizeof info, nullptr);
                if (seen != STEER_OK && seen != STEER_ERR_ARG) wrong++;
                steer_session_free(stale);
                steer_session_cancel(stale, 0);
                steer_injection_set(stale, 1, 1.0f, 0);
            }
        });
    for (std::thread& thread : threads) thread.join();
    steer_session_free(shared.load());
    CHECK(wrong == 0);
}

TEST_CASE("a log function that was replaced is done for good") {
    struct Sink {
        std::atomic<bool> over{false};
        std::atomic<int> late{0}, lines{0};
    };
    const auto write = [](void* user, int32_t, const char* text, size_t size) {
        auto& sink = *static_cast<Sink*>(user);
        sink.lines++;
        if (sink.over || text == nullptr || size == 0) sink.late++;
    };
    tiny::Folder odd;
    odd.write("chat_template.jinja", "{% nonsense %}"); // a model whose template cannot be read says so in the log
    std::atomic<bool> done{false};
    std::thread talker([&] {
        while (!done) {
            steer_model_options options;
            steer_model_options_init(&options, sizeof options);
            options.residency = STEER_RESIDENCY_NONE;
            steer_model* model = nullptr;
            steer_model_load(odd.path().c_str(), &options, &model, nullptr);
            steer_model_free(model);
        }
    });
    int lines = 0;
    for (int i = 0; i < 200 && lines < 5; i++) {
        Sink sink;
        steer_log_set(write, &sink, STEER_LOG_DEBUG);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        steer_log_set(nullptr, nullptr, 0);
        sink.over = true;
        CHECK(sink.late == 0);
        lines += sink.lines;
    }
    done = true;
    talker.join();
    CHECK(lines > 0);
}
