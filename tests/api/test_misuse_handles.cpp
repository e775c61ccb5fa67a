// Handles that are none, arguments that are NULL, a process that was forked: told, never followed.
#include "misuse.h"

#include <sys/wait.h>
#include <unistd.h>

using namespace host;

namespace {

struct BadHandle {
    const char* name;
    void* handle;
    const char* words;
};

void* number(uint64_t bits) { return reinterpret_cast<void*>(static_cast<uintptr_t>(bits)); }
uint64_t bits(const void* handle) { return reinterpret_cast<uintptr_t>(handle); }

// own: a live handle of the kind; other, third: of the two other kinds; freed: one of this kind.
std::vector<BadHandle> bad_handles(const void* own, const void* other, const void* third, void* freed) {
    static int own_number;
    const char* const words = "is not a live handle";
    return {{"NULL", nullptr, "NULL"},
            {"freed", freed, words},
            {"of another kind", number(bits(other)), words},
            {"of the third kind", number(bits(third)), words},
            {"a host's own address", &own_number, words},
            {"an odd number", number(1), words},
            {"all ones", number(~uint64_t{0}), words},
            {"of a generation to come", number(bits(own) + (uint64_t{1} << 32)), words},
            {"a place never used", number(bits(own) | 0xfffff), words},
            {"no place", number(bits(own) & ~uint64_t{0xffffffff}), words}};
}

void check_bad_handles(const std::vector<HandleFunction>& functions, const std::vector<BadHandle>& handles) {
    for (const HandleFunction& function : functions)
        for (const BadHandle& bad : handles) {
            Bench bench;
            steer_error error{};
            const std::string name = std::string(function.name) + " with " + bad.name;
            check_refused(name.c_str(), function.call(bench, bad.handle, &error), error, STEER_ERR_ARG, bad.words);
            CHECK(step(bench.session).c.status == STEER_OK);
        }
}

} // namespace

TEST_CASE("no function follows a handle that is none") {
    Bench bench;
    Model model = load(STEER_RESIDENCY_NONE);
    Vector vector = axis_vector(model, 0);
    Session session = create(model);
    void *freed_model = model, *freed_vector = vector, *freed_session = session;
    model = Model(), vector = Vector(), session = Session();
    const void *m = static_cast<steer_model*>(bench.model), *v = static_cast<steer_vector*>(bench.vector),
               *s = static_cast<steer_session*>(bench.session);
    check_bad_handles(model_functions(), bad_handles(m, v, s, freed_model));
    check_bad_handles(vector_functions(), bad_handles(v, m, s, freed_vector));
    check_bad_handles(session_functions(), bad_handles(s, m, v, freed_session));
    for (const BadHandle& bad : bad_handles(s, m, v, freed_session)) { // those that give no words
        INFO(bad.name);
        auto* none = static_cast<steer_session*>(bad.handle);
        CHECK(steer_injection_set(none, bench.injection, 0.0f, 0) == STEER_ERR_ARG);
        steer_session_cancel(none, 0);
        steer_session_free(none);
        steer_model_free(static_cast<steer_model*>(bad.handle == m ? nullptr : bad.handle));
        steer_vector_free(static_cast<steer_vector*>(bad.handle == v ? nullptr : bad.handle));
    }
    CHECK(info(bench.session).turn == bench.turn);
}

TEST_CASE("handles named in options are looked at as well") {
    steer_model* const odd = reinterpret_cast<steer_model*>(uintptr_t{0x7f0012345678});
    check_misuses({
        {"a vector for no model", STEER_ERR_ARG, "model is not a live handle",
         [&](Bench& b, auto* error) { return vector_with(b, error, [&](auto& o) { o.model = odd; }); }},
        {"a chat that prefers no session", STEER_ERR_ARG, "prefer is not a live handle",
         [&](Bench& b, auto* error) {
             steer_chat chat;
             steer_chat_init(&chat, sizeof chat);
             size_t count;
             return steer_chat_encode(b.model, &chat, reinterpret_cast<steer_session*>(odd), nullptr, nullptr, 0, &count, error);
         }},
        {"a chat that prefers another model's session", STEER_ERR_ARG, "prefer is a session of another model",
         [&](Bench& b, auto* error) {
             Model other = load(STEER_RESIDENCY_NONE);
             Session strange = create(other);
             steer_chat chat;
             steer_chat_init(&chat, sizeof chat);
             size_t count;
             return steer_chat_encode(b.model, &chat, strange, nullptr, nullptr, 0, &count, error);
         }},
        {"step_many with a freed session among them", STEER_ERR_ARG, "ss[1] is not a live session",
         [&](Bench& b, auto* error) {
             steer_session* const ss[] = {b.session, reinterpret_cast<steer_session*>(odd)};
             steer_step outs[2];
             CHECK(steer_session_step_many(ss, 2, outs, sizeof outs[0], error) == STEER_OK); // the call was made
             CHECK(outs[0].status == STEER_OK);
             CHECK(outs[0].token >= -1);
             return outs[1].status;
         }},
        {"step_many with one session twice", STEER_ERR_BUSY, "another call",
         [&](Bench& b, auto* error) {
             steer_session* const ss[] = {b.session, b.session};
             steer_step outs[2];
             CHECK(steer_session_step_many(ss, 2, outs, sizeof outs[0], error) == STEER_OK);
             CHECK(outs[0].status == STEER_OK);
             return outs[1].status;
         }},
    });
}

TEST_CASE("NULL where something must be") {
    check_misuses({
        {"model_load path", STEER_ERR_ARG, "path is NULL", [](Bench&, auto* error) {
             steer_model* out = nullptr;
             return steer_model_load(nullptr, nullptr, &out, error);
         }},
        {"model_load out", STEER_ERR_ARG, "out is NULL",
         [](Bench&, auto* error) { return steer_model_load("x", nullptr, nullptr, error); }},
        {"model_get_info out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_model_get_info(b.model, nullptr, 8, error); }},
        {"model_get_text size", STEER_ERR_ARG, "size is NULL",
         [](Bench& b, auto* error) { return steer_model_get_text(b.model, STEER_MODEL_CONFIG, nullptr, 0, nullptr, error); }},
        {"model_get_text buffer", STEER_ERR_ARG, "buffer is NULL", [](Bench& b, auto* error) {
             size_t size;
             return steer_model_get_text(b.model, STEER_MODEL_CONFIG, nullptr, 5, &size, error);
         }},
        {"model_export folder", STEER_ERR_ARG, "folder is NULL",
         [](Bench& b, auto* error) { return steer_model_export(b.model, nullptr, nullptr, nullptr, error); }},
        {"text_encode text", STEER_ERR_ARG, "text has size 3 and no data", [](Bench& b, auto* error) {
             size_t count;
             return steer_text_encode(b.model, nullptr, 3, 0, nullptr, 0, &count, error);
         }},
        {"text_encode count", STEER_ERR_ARG, "count is NULL",
         [](Bench& b, auto* error) { return steer_text_encode(b.model, "a", 1, 0, nullptr, 0, nullptr, error); }},
        {"text_decode ids", STEER_ERR_ARG, "ids is NULL", [](Bench& b, auto* error) {
             size_t size;
             return steer_text_decode(b.model, nullptr, 3, 0, nullptr, 0, &size, error);
         }},
        {"chat_format chat", STEER_ERR_ARG, "chat is NULL", [](Bench& b, auto* error) {
             size_t size;
             return steer_chat_format(b.model, nullptr, nullptr, 0, &size, error);
         }},
        {"chat_encode chat", STEER_ERR_ARG, "chat is NULL", [](Bench& b, auto* error) {
             size_t count;
             return steer_chat_encode(b.model, nullptr, nullptr, nullptr, nullptr, 0, &count, error);
         }},
        {"chat messages", STEER_ERR_ARG, "messages is NULL",
         [](Bench& b, auto* error) { return format_with(b.model, error, [](auto& c) { c.messages = nullptr; }); }},
        {"chat tools", STEER_ERR_ARG, "tools has size 4 and no data",
         [](Bench& b, auto* error) { return format_with(b.model, error, [](auto& c) { c.tools.size = 4; }); }},
        {"chat variables", STEER_ERR_ARG, "variables has size 4 and no data",
         [](Bench& b, auto* error) { return format_with(b.model, error, [](auto& c) { c.variables.size = 4; }); }},
        {"chat template_text", STEER_ERR_ARG, "template_text has size 4 and no data",
         [](Bench& b, auto* error) { return format_with(b.model, error, [](auto& c) { c.template_text.size = 4; }); }},
        {"vector_create rows", STEER_ERR_ARG, "rows is NULL",
         [](Bench&, auto* error) { return steer_vector_create(nullptr, 1, 16, nullptr, Vector().out(), error); }},
        {"vector_create out", STEER_ERR_ARG, "out is NULL", [](Bench&, auto* error) {
             const float row[16] = {1.0f};
             return steer_vector_create(row, 1, 16, nullptr, nullptr, error);
         }},
        {"vector_load path", STEER_ERR_ARG, "path is NULL",
         [](Bench&, auto* error) { return steer_vector_load(nullptr, nullptr, Vector().out(), error); }},
        {"vector_save path", STEER_ERR_ARG, "path is NULL",
         [](Bench& b, auto* error) { return steer_vector_save(b.vector, nullptr, STEER_FORMAT_NATIVE, error); }},
        {"vector_combine vs", STEER_ERR_ARG, "vs is NULL", [](Bench&, auto* error) {
             const float weight = 1.0f;
             return steer_vector_combine(nullptr, &weight, 1, 0.0f, Vector().out(), error);
         }},
        {"vector_combine weights", STEER_ERR_ARG, "weights is NULL", [](Bench& b, auto* error) {
             const steer_vector* one = b.vector;
             return steer_vector_combine(&one, nullptr, 1, 0.0f, Vector().out(), error);
         }},
        {"vector_extract pairs", STEER_ERR_ARG, "pairs is NULL",
         [](Bench& b, auto* error) { return steer_vector_extract(b.model, nullptr, 3, nullptr, Vector().out(), error); }},
        {"vector_get_info out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_vector_get_info(b.vector, nullptr, 8, error); }},
        {"vector_get_layer out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_vector_get_layer(b.vector, 0, 0, nullptr, 8, error); }},
        {"vector_get_metadata size", STEER_ERR_ARG, "size is NULL",
         [](Bench& b, auto* error) { return steer_vector_get_metadata(b.vector, nullptr, 0, nullptr, error); }},
        {"vector_get_metadata buffer", STEER_ERR_ARG, "buffer is NULL", [](Bench& b, auto* error) {
             size_t size;
             return steer_vector_get_metadata(b.vector, nullptr, 5, &size, error);
         }},
        {"session_create out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_session_create(b.model, nullptr, nullptr, error); }},
        {"session_fork out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_session_fork(b.session, nullptr, error); }},
        {"session_get_info out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_session_get_info(b.session, nullptr, 8, error); }},
        {"session_get_tokens count", STEER_ERR_ARG, "count is NULL",
         [](Bench& b, auto* error) { return steer_session_get_tokens(b.session, nullptr, nullptr, 0, nullptr, error); }},
        {"session_set_tokens ids", STEER_ERR_ARG, "ids is NULL",
         [](Bench& b, auto* error) { return steer_session_set_tokens(b.session, 0, nullptr, nullptr, 2, nullptr, error); }},
        {"injection_add out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_injection_add(b.session, nullptr, nullptr, error); }},
        {"injection_add without a vector", STEER_ERR_ARG, "vector is NULL",
         [](Bench& b, auto* error) { return inject_with(b, error, [](auto& o) { o.vector = nullptr; }); }},
        {"gauge_add out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_gauge_add(b.session, nullptr, nullptr, error); }},
        {"gauge_add without a vector", STEER_ERR_ARG, "vector is NULL",
         [](Bench& b, auto* error) { return gauge_with(b, error, [](auto& o) { o.vector = nullptr; }); }},
        {"biases", STEER_ERR_ARG, "biases is NULL",
         [](Bench& b, auto* error) { return sample_with(b, error, [](auto& o) { o.bias_count = 1; }); }},
        {"stop_texts", STEER_ERR_ARG, "stop_texts is NULL",
         [](Bench& b, auto* error) { return sample_with(b, error, [](auto& o) { o.stop_text_count = 1; }); }},
        {"stop_tokens", STEER_ERR_ARG, "stop_tokens is NULL",
         [](Bench& b, auto* error) { return sample_with(b, error, [](auto& o) { o.stop_tokens = nullptr, o.stop_token_count = 1; }); }},
        {"session_step out", STEER_ERR_ARG, "out is NULL",
         [](Bench& b, auto* error) { return steer_session_step(b.session, nullptr, sizeof(steer_step), error); }},
        {"session_step_many ss", STEER_ERR_ARG, "ss is NULL", [](Bench&, auto* error) {
             steer_step out;
             return steer_session_step_many(nullptr, 1, &out, sizeof out, error);
         }},
        {"session_step_many outs", STEER_ERR_ARG, "out is NULL", [](Bench& b, auto* error) {
             steer_session* const one = b.session;
             return steer_session_step_many(&one, 1, nullptr, sizeof(steer_step), error);
         }},
        {"session_generate fn", STEER_ERR_ARG, "fn is NULL",
         [](Bench& b, auto* error) { return steer_session_generate(b.session, nullptr, nullptr, error); }},
        {"session_state_save size", STEER_ERR_ARG, "size is NULL",
         [](Bench& b, auto* error) { return steer_session_state_save(b.session, 0, nullptr, 0, nullptr, error); }},
        {"session_state_load buf", STEER_ERR_ARG, "buf is NULL",
         [](Bench& b, auto* error) { return steer_session_state_load(b.session, nullptr, 4, error); }},
    });
    CHECK(steer_session_step(nullptr, nullptr, 0, nullptr) == STEER_ERR_ARG); // error NULL too
    steer_model_free(nullptr);
    steer_vector_free(nullptr);
    steer_session_free(nullptr);
    steer_session_cancel(nullptr, 0);
    steer_model_options_init(nullptr, 100);
    steer_chat_init(nullptr, 100);
    steer_vector_options_init(nullptr, 100);
    steer_extract_options_init(nullptr, 100);
    steer_session_options_init(nullptr, 100);
    steer_injection_options_init(nullptr, 100);
    steer_gauge_options_init(nullptr, 100);
    steer_generation_options_init(nullptr, 100, nullptr);
}

TEST_CASE("the child of a fork is told so by every function") {
    Bench bench;
    const auto wrong_in_child = [&] {
        int wrong = 0;
        const auto tell = [&](const std::vector<HandleFunction>& functions, void* handle) {
            for (const HandleFunction& function : functions) {
                steer_error error{};
                wrong += function.call(bench, handle, &error) != STEER_ERR_STATE;
                wrong += std::strstr(error.message, "forked") == nullptr;
            }
        };
        tell(model_functions(), bench.model);
        tell(vector_functions(), bench.vector);
        tell(session_functions(), bench.session);
        wrong += steer_injection_set(bench.session, bench.injection, 0.0f, 0) != STEER_ERR_STATE;
        steer_generation_options options;
        steer_generation_options_init(&options, sizeof options, bench.model); // fills in what it can
        wrong += options.struct_size != sizeof options;
        wrong += steer_version() != STEER_VERSION;
        steer_session_cancel(bench.session, 0);
        steer_session_free(bench.session);
        steer_model_free(bench.model);
        steer_log_set(nullptr, nullptr, 0);
        return wrong;
    };
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(wrong_in_child() == 0 ? 0 : 1);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    step(bench.session); // the parent goes on
}
