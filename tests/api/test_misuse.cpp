// Odd, but legal; and what has no table of its own: test_misuse_handles, _values, _sizes, _callbacks.
#include "misuse.h"

#include <filesystem>

using namespace host;

TEST_CASE("objects may be freed in any order") {
    Session session;
    {
        Model model = load();
        session = create(model);
        Vector vector = axis_vector(model, 3);
        inject(session, vector, 1.0f);
        gauge(session, vector, 1);
        set_tokens(session, 0, encode(model, "go on"));
    } // model and vector are freed: the session keeps them
    CHECK(reply(session, 5).back().gauges.size() == 1);
}

TEST_CASE("words are cut where a character begins") {
    std::string path(230, 'x');
    for (int i = 0; i < 60; i++) path += "あ";
    for (int shift = 0; shift < 3; shift++) {
        steer_model* out = nullptr;
        steer_error err;
        std::memset(&err, 0xee, sizeof err);
        CHECK(steer_model_load((std::string(static_cast<size_t>(shift), 'y') + path).c_str(), nullptr, &out, &err) != STEER_OK);
        const size_t size = strnlen(err.message, sizeof err.message);
        REQUIRE(size < sizeof err.message);
        // The last character is whole: a lead byte with its two followers.
        const auto byte = [&](size_t back) { return static_cast<unsigned char>(err.message[size - back]); };
        CHECK(((byte(1) & 0x80) == 0 || (byte(3) == 0xe3 && (byte(2) & 0xc0) == 0x80 && (byte(1) & 0xc0) == 0x80)));
    }
    steer_error fine;
    std::memset(&fine, 0xee, sizeof fine);
    size_t count;
    Model model = load(STEER_RESIDENCY_NONE);
    CHECK(steer_text_encode(model, "a", 1, 0, nullptr, 0, &count, &fine) == STEER_OK);
    CHECK(fine.status == STEER_OK);
    CHECK(fine.message[0] == '\0');
}

TEST_CASE("step_many names what each session had") {
    Model model = load(), other = load();
    Session good = create(model), empty = create(model), strange = create(other);
    set_tokens(good, 0, {1, 2, 3});
    set_tokens(strange, 0, {1, 2, 3});
    steer_session* sessions[] = {good, empty, nullptr, good};
    steer_step outs[4];
    steer_error told{};
    REQUIRE(steer_session_step_many(sessions, 4, outs, sizeof outs[0], &told) == STEER_OK);
    CHECK(outs[0].status == STEER_OK);
    CHECK(outs[1].status == STEER_ERR_STATE);
    CHECK(outs[2].status == STEER_ERR_ARG);
    CHECK(outs[3].status == STEER_ERR_BUSY); // it is in there already
    CHECK(told.status != STEER_OK);
    steer_session* mixed[] = {good, strange};
    FAILS(steer_session_step_many(mixed, 2, outs, sizeof outs[0], &err), STEER_ERR_ARG, "another model");
    OK(steer_session_step_many(nullptr, 0, nullptr, 0, &err));
}

TEST_CASE("memory for the cache ends, the session stays at its last token") {
    const uint64_t weights = 3 * 2 * 16 * 16 * 4, block = 64 * 3 * 2 * 16 * 4;
    Model model = load(STEER_RESIDENCY_DEVICE, folder().path(), weights + 2 * block + block / 2);
    Session session = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, std::vector<int32_t>(120, 'a'));
    reply(session, 9); // 128 positions
    const auto before = list(session);
    steer_step out;
    FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_DEVICE_MEMORY, "device_memory_max");
    CHECK(list(session) == before);
    set_tokens(session, 60, {});
    CHECK(reply(session, 10).back().c.status == STEER_OK);
    steer_model* out_model = nullptr;
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.device_memory_max = weights - 1;
    FAILS(steer_model_load(folder().path().c_str(), &options, &out_model, &err), STEER_ERR_DEVICE_MEMORY, "device_memory_max");
}

TEST_CASE("a log function may call in, throw, and not set another") {
    static std::function<void()> inside;
    static int lines;
    const auto write = [](void*, int32_t, const char*, size_t) {
        lines++;
        inside();
    };
    const auto never = [](void*, int32_t, const char*, size_t) { FAIL("set from inside"); };
    Bench bench;
    const auto say_a_line = [&] { // a vector that names no model is a warning
        const std::string path = folder().path() + "/untied.safetensors";
        const float row[16] = {1.0f};
        Vector untied, read;
        OK(steer_vector_create(row, 1, 16, nullptr, untied.out(), &err));
        OK(steer_vector_save(untied, path.c_str(), STEER_FORMAT_NATIVE, &err));
        lines = 0;
        OK(steer_vector_load(path.c_str(), nullptr, read.out(), &err));
        std::filesystem::remove(path);
        CHECK(lines == 1);
    };
    steer_log_set(write, nullptr, STEER_LOG_DEBUG);
    inside = [&] {
        steer_log_set(never, nullptr, STEER_LOG_DEBUG);
        CHECK(step(bench.session).c.status == STEER_OK);
        Vector again; // its own line is dropped
        OK(steer_vector_load((folder().path() + "/untied.safetensors").c_str(), nullptr, again.out(), &err));
    };
    say_a_line();
    inside = [] { throw 42; };
    say_a_line();
    say_a_line(); // the next one comes as well
    steer_log_set(nullptr, nullptr, 0);
}
