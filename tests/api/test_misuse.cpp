// What a host may do wrong at the C door: it is told so, and nothing breaks.
#include "host.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

using namespace host;

namespace {

steer_model* foreign_model() { return reinterpret_cast<steer_model*>(uintptr_t{0x7f0012345678}); }

} // namespace

TEST_CASE("NULL is an answer, not a crash") {
    Model model = load(STEER_RESIDENCY_NONE);
    Session session = create(model);
    Vector vector = axis_vector(model, 0);
    size_t size = 0;
    char text[4];
    FAILS(steer_model_load(nullptr, nullptr, nullptr, &err), STEER_ERR_ARG, "NULL");
    steer_model* no_model = foreign_model();
    FAILS(steer_model_load(nullptr, nullptr, &no_model, &err), STEER_ERR_ARG, "path");
    CHECK(no_model == nullptr);
    FAILS(steer_model_get_info(model, nullptr, 8, &err), STEER_ERR_ARG, "out");
    FAILS(steer_model_get_info(nullptr, reinterpret_cast<steer_model_info*>(text), 4, &err), STEER_ERR_ARG, "model");
    FAILS(steer_model_get_text(model, STEER_MODEL_CONFIG, nullptr, 0, nullptr, &err), STEER_ERR_ARG, "size");
    FAILS(steer_model_get_text(model, STEER_MODEL_CONFIG, nullptr, 5, &size, &err), STEER_ERR_ARG, "buffer is NULL");
    FAILS(steer_model_get_text(model, 99, nullptr, 0, &size, &err), STEER_ERR_ARG, "what");
    FAILS(steer_text_encode(model, nullptr, 3, 0, nullptr, 0, &size, &err), STEER_ERR_ARG, "text");
    FAILS(steer_text_decode(model, nullptr, 3, 0, nullptr, 0, &size, &err), STEER_ERR_ARG, "ids");
    FAILS(steer_chat_encode(model, nullptr, nullptr, nullptr, nullptr, 0, &size, &err), STEER_ERR_ARG, "chat");
    FAILS(steer_chat_format(model, nullptr, text, 4, &size, &err), STEER_ERR_ARG, "chat");
    FAILS(steer_session_create(nullptr, nullptr, session.out(), &err), STEER_ERR_ARG, "model");
    session = create(model);
    FAILS(steer_session_fork(session, nullptr, &err), STEER_ERR_ARG, "out");
    FAILS(steer_session_get_info(session, nullptr, 4, &err), STEER_ERR_ARG, "out");
    FAILS(steer_session_get_tokens(session, nullptr, nullptr, 0, nullptr, &err), STEER_ERR_ARG, "count");
    FAILS(steer_session_set_tokens(session, 0, nullptr, nullptr, 2, nullptr, &err), STEER_ERR_ARG, "ids");
    FAILS(steer_session_step(session, nullptr, sizeof(steer_step), &err), STEER_ERR_ARG, "out");
    FAILS(steer_session_generate(session, nullptr, nullptr, &err), STEER_ERR_ARG, "fn");
    FAILS(steer_session_step_many(nullptr, 2, nullptr, 0, &err), STEER_ERR_ARG, "ss");
    FAILS(steer_session_state_load(session, nullptr, 4, &err), STEER_ERR_ARG, "buf");
    FAILS(steer_injection_add(session, nullptr, nullptr, &err), STEER_ERR_ARG, "out");
    steer_injection_id id = 1;
    FAILS(steer_injection_add(session, nullptr, &id, &err), STEER_ERR_ARG, "vector"); // defaults name no vector
    CHECK(id == 0);
    FAILS(steer_gauge_add(session, nullptr, &id, &err), STEER_ERR_ARG, "vector");
    FAILS(steer_vector_create(nullptr, 1, 16, nullptr, vector.out(), &err), STEER_ERR_ARG, "rows");
    FAILS(steer_vector_load(nullptr, nullptr, vector.out(), &err), STEER_ERR_ARG, "path");
    FAILS(steer_vector_save(nullptr, "x", 0, &err), STEER_ERR_ARG, "vector");
    FAILS(steer_vector_get_info(nullptr, reinterpret_cast<steer_vector_info*>(text), 4, &err), STEER_ERR_ARG, "vector");
    FAILS(steer_vector_combine(nullptr, nullptr, 1, 0.0f, vector.out(), &err), STEER_ERR_ARG, "vs");
    FAILS(steer_vector_extract(model, nullptr, 3, nullptr, vector.out(), &err), STEER_ERR_ARG, "pairs");
    steer_model_free(nullptr);
    steer_vector_free(nullptr);
    steer_session_free(nullptr);
    steer_session_cancel(nullptr, 0);
    steer_model_options_init(nullptr, 100);
    steer_generation_options_init(nullptr, 100, model);
    CHECK(steer_injection_set(nullptr, 1, 0.0f, 0) == STEER_ERR_ARG);
    CHECK(steer_session_step(session, nullptr, 0, nullptr) == STEER_ERR_ARG); // err NULL too
}

TEST_CASE("freed and foreign handles are found out") {
    Model model = load(STEER_RESIDENCY_NONE);
    steer_session* session = nullptr;
    OK(steer_session_create(model, nullptr, &session, &err));
    steer_session* const old = session;
    steer_session_free(session);
    steer_session_free(old); // twice is once
    steer_session_info info;
    FAILS(steer_session_get_info(old, &info, sizeof info, &err), STEER_ERR_ARG, "live handle");
    OK(steer_session_create(model, nullptr, &session, &err)); // in the same place
    CHECK(session != old);
    FAILS(steer_session_get_info(old, &info, sizeof info, &err), STEER_ERR_ARG, "live handle");
    steer_step out;
    CHECK(steer_session_step(old, &out, sizeof out, nullptr) == STEER_ERR_ARG);
    CHECK(out.status == STEER_ERR_ARG);
    CHECK(out.gauges != nullptr);
    CHECK(out.text.data != nullptr);
    CHECK(steer_injection_set(old, 1, 0.0f, 0) == STEER_ERR_ARG);
    steer_session_cancel(old, 0);
    // A handle of another kind, an address, an invented number.
    FAILS(steer_session_get_info(reinterpret_cast<steer_session*>(static_cast<steer_model*>(model)), &info, sizeof info, &err),
          STEER_ERR_ARG, "live handle");
    int on_stack = 0;
    FAILS(steer_session_get_info(reinterpret_cast<steer_session*>(&on_stack), &info, sizeof info, &err), STEER_ERR_ARG,
          "live handle");
    FAILS(steer_session_get_info(reinterpret_cast<steer_session*>(~uintptr_t{0}), &info, sizeof info, &err), STEER_ERR_ARG,
          "live handle");
    steer_model_info model_info;
    FAILS(steer_model_get_info(foreign_model(), &model_info, sizeof model_info, &err), STEER_ERR_ARG, "live handle");
    steer_session_free(session);
}

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

TEST_CASE("a session inside its own callback") {
    Model model = load();
    Session session = create(model);
    steer_generation_options options = plain_generation();
    options.token_max = 6;
    set_generation(session, options);
    set_tokens(session, 0, encode(model, "hello"));
    Vector vector = axis_vector(model, 1);

    struct Inside {
        steer_session* session;
        steer_vector* vector;
        steer_status step = 0, tokens = 0, fork = 0, set_tokens = 0, info = 1, control = 1;
        bool free_it = false;
        int calls = 0;
    };
    const auto inside = [](void* user, const steer_step*) -> int32_t {
        auto& seen = *static_cast<Inside*>(user);
        seen.calls++;
        if (seen.free_it) {
            steer_session_free(seen.session);
            return 0;
        }
        steer_step out;
        steer_session* other = nullptr;
        size_t count = 0;
        steer_session_info info;
        seen.step = steer_session_step(seen.session, &out, sizeof out, nullptr);
        seen.fork = steer_session_fork(seen.session, &other, nullptr);
        seen.tokens = steer_session_get_tokens(seen.session, nullptr, nullptr, 0, &count, nullptr);
        seen.set_tokens = steer_session_set_tokens(seen.session, 0, nullptr, nullptr, 0, nullptr, nullptr);
        seen.info = steer_session_get_info(seen.session, &info, sizeof info, nullptr);
        steer_injection_options injection;
        steer_injection_options_init(&injection, sizeof injection);
        injection.vector = seen.vector;
        steer_injection_id id = 0;
        seen.control = steer_injection_add(seen.session, &injection, &id, nullptr);
        if (seen.control == STEER_OK) seen.control = steer_injection_set(seen.session, id, 1.0f, 3);
        return 0;
    };

    SECTION("controls are legal, the conversation is busy") {
        Inside seen{session, vector};
        OK(steer_session_generate(session, inside, &seen, &err));
        CHECK(seen.step == STEER_ERR_BUSY);
        CHECK(seen.fork == STEER_ERR_BUSY);
        CHECK(seen.tokens == STEER_ERR_BUSY);
        CHECK(seen.set_tokens == STEER_ERR_BUSY);
        CHECK(seen.info == STEER_OK);
        CHECK(seen.control == STEER_OK);
    }
    SECTION("freed there, the call ends") {
        Inside seen{session, vector};
        seen.free_it = true;
        FAILS(steer_session_generate(session, inside, &seen, &err), STEER_ERR_CANCELLED, "freed");
        CHECK(seen.calls == 1);
        steer_session_info info;
        CHECK(steer_session_get_info(session, &info, sizeof info, nullptr) == STEER_ERR_ARG);
    }
    SECTION("a throw does not pass through") {
        const auto thrower = [](void*, const steer_step*) -> int32_t { throw std::string("host's"); };
        FAILS(steer_session_generate(session, thrower, nullptr, &err), STEER_ERR_INTERNAL, "threw");
        CHECK(step(session).c.token >= 0); // and the session is as good as before
    }
}

TEST_CASE("a progress callback may not drive the model that calls it") {
    Model model = load(STEER_RESIDENCY_NONE);
    Session session = create(model);
    set_tokens(session, 0, encode(model, "hello"));
    struct Seen {
        steer_session* session;
        steer_model* model;
        steer_status residency = 0;
        int calls = 0;
    } seen{session, model};
    const auto progress = [](void* user, float) -> int32_t {
        auto& inside = *static_cast<Seen*>(user);
        inside.calls++;
        steer_model_info info;
        if (steer_model_get_info(inside.model, &info, sizeof info, nullptr) != STEER_OK) return 1;
        inside.residency = steer_model_set_residency(inside.model, STEER_RESIDENCY_NONE, nullptr, nullptr, nullptr);
        return 0;
    };
    OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, progress, &seen, &err));
    CHECK(seen.calls > 1);
    CHECK(seen.residency == STEER_ERR_BUSY);
    step(session);

    SECTION("but it may stop the load") {
        OK(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, &err));
        const auto stop = [](void*, float) -> int32_t { return 1; };
        FAILS(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, stop, nullptr, &err), STEER_ERR_CANCELLED, "stopped");
        steer_model_info info;
        OK(steer_model_get_info(model, &info, sizeof info, &err));
        CHECK(info.residency == STEER_RESIDENCY_NONE);
        steer_model_options options;
        steer_model_options_init(&options, sizeof options);
        options.progress_fn = stop;
        steer_model* out = nullptr;
        FAILS(steer_model_load(folder().path().c_str(), &options, &out, &err), STEER_ERR_CANCELLED, "stopped");
        CHECK(out == nullptr);
    }
}

TEST_CASE("sizes of structs: older, newer, wrong") {
    Model model = load(STEER_RESIDENCY_NONE);
    // Out: as much as fits, the rest zero.
    struct {
        steer_model_info info;
        unsigned char more[24];
    } large;
    std::memset(&large, 0xee, sizeof large);
    OK(steer_model_get_info(model, &large.info, sizeof large, &err));
    CHECK(large.info.layer_count == 3);
    for (const unsigned char byte : large.more) CHECK(byte == 0);
    steer_model_info small;
    std::memset(&small, 0xee, sizeof small);
    OK(steer_model_get_info(model, &small, 8, &err));
    CHECK(small.hidden_size == 16);
    unsigned char next;
    std::memcpy(&next, reinterpret_cast<unsigned char*>(&small) + 8, 1);
    CHECK(next == 0xee); // beyond what was asked for nothing is written
    FAILS(steer_model_get_info(model, &small, 0, &err), STEER_ERR_ARG, "out_size");

    // In: a newer host's struct may be larger if what we do not know is zero.
    struct {
        steer_session_options options;
        uint64_t feature;
    } newer;
    std::memset(&newer, 0xee, sizeof newer);
    steer_session_options_init(&newer.options, sizeof newer);
    CHECK(newer.options.struct_size == sizeof newer);
    CHECK(newer.feature == 0);
    Session session;
    OK(steer_session_create(model, &newer.options, session.out(), &err));
    newer.feature = 1;
    steer_session* refused = nullptr;
    FAILS(steer_session_create(model, &newer.options, &refused, &err), STEER_ERR_UNSUPPORTED, "is set");
    steer_session_options zero;
    std::memset(&zero, 0, sizeof zero);
    FAILS(steer_session_create(model, &zero, &refused, &err), STEER_ERR_ARG, "struct_size");
    zero.struct_size = 0xeeeeeeee;
    FAILS(steer_session_create(model, &zero, &refused, &err), STEER_ERR_ARG, "struct_size");
    CHECK(refused == nullptr);

    // A step for a host that knows only its first fields, packed closely in step_many.
    OK(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err));
    Session other = create(model);
    set_tokens(session, 0, {1, 2});
    set_tokens(other, 0, {1, 2, 3});
    unsigned char steps[3 * 28];
    std::memset(steps, 0xee, sizeof steps);
    steer_session* both[] = {session, other};
    OK(steer_session_step_many(both, 2, reinterpret_cast<steer_step*>(steps), 28, &err));
    int32_t position;
    uint32_t struct_size;
    std::memcpy(&position, steps + 20, 4);
    CHECK(position == 0);
    std::memcpy(&position, steps + 28 + 20, 4);
    CHECK(position == 1);
    std::memcpy(&struct_size, steps + 28, 4);
    CHECK(struct_size == 28);
    CHECK(steps[56] == 0xee);
}

TEST_CASE("a buffer that is too small stays as it was") {
    Model model = load(STEER_RESIDENCY_NONE);
    const std::string text = "hello world";
    size_t count = 0;
    OK(steer_text_encode(model, text.data(), text.size(), 0, nullptr, 0, &count, &err));
    REQUIRE(count > 1);
    std::vector<int32_t> ids(count, -7);
    size_t needed = 0;
    FAILS(steer_text_encode(model, text.data(), text.size(), 0, ids.data(), count - 1, &needed, &err), STEER_ERR_BUFFER, "needed");
    CHECK(needed == count);
    CHECK(ids == std::vector<int32_t>(count, -7));
    OK(steer_text_encode(model, text.data(), text.size(), 0, ids.data(), count, &needed, &err));
    std::string back(64, '\0');
    size_t size = 0;
    OK(steer_text_decode(model, ids.data(), ids.size(), 0, back.data(), back.size(), &size, &err));
    CHECK(back.substr(0, size) == text);
    OK(steer_text_encode(model, "", 0, 0, ids.data(), ids.size(), &count, &err));
    CHECK(count == 0);
    OK(steer_text_encode(model, nullptr, 0, 0, nullptr, 0, &count, &err));
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
    steer_error err{};
    REQUIRE(steer_session_step_many(sessions, 4, outs, sizeof outs[0], &err) == STEER_OK);
    CHECK(outs[0].status == STEER_OK);
    CHECK(outs[1].status == STEER_ERR_STATE);
    CHECK(outs[2].status == STEER_ERR_ARG);
    CHECK(outs[3].status == STEER_ERR_BUSY); // it is in there already
    CHECK(err.status != STEER_OK);
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

TEST_CASE("the child of a fork is told so") {
    Model model = load();
    Session session = create(model);
    set_tokens(session, 0, {1, 2, 3});
    int result[2];
    REQUIRE(pipe(result) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        steer_step out;
        steer_error err;
        steer_status told[3] = {steer_session_step(session, &out, sizeof out, &err),
                                steer_injection_set(session, 1, 0.0f, 0), STEER_OK};
        steer_model_info info;
        told[2] = steer_model_get_info(model, &info, sizeof info, &err);
        steer_session_free(session);
        steer_session_cancel(session, 0);
        const ssize_t written = write(result[1], told, sizeof told);
        _exit(written == sizeof told ? 0 : 1);
    }
    steer_status told[3] = {};
    CHECK(read(result[0], told, sizeof told) == static_cast<ssize_t>(sizeof told));
    waitpid(child, nullptr, 0);
    close(result[0]);
    close(result[1]);
    for (const steer_status one : told) CHECK(one == STEER_ERR_STATE);
    step(session); // the parent goes on
}
