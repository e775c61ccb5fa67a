// Structs and buffers of the wrong size.
#include "misuse.h"

using namespace host;

namespace {

// Options with this struct_size, the rest as init makes it, behind them bytes of a newer version.
template<class Options, class Init, class Call>
void check_struct_sizes(const char* name, Init init, Call call) {
    struct {
        Options options;
        unsigned char newer[64];
    } given;
    const auto with_size = [&](uint32_t size, unsigned char beyond, steer_error* error) {
        std::memset(&given, beyond, sizeof given);
        init(&given.options);
        given.options.struct_size = size;
        return call(&given.options, error);
    };
    constexpr uint32_t known = sizeof(Options);
    for (const uint32_t size : {0u, 1u, 4u, known - 1, known / 2, 0xeeeeeeeeu, UINT32_MAX, (1u << 16) + 1}) {
        steer_error error{};
        INFO(size);
        check_refused(name, with_size(size, 0, &error), error, STEER_ERR_ARG, "struct_size");
    }
    steer_error error{};
    for (const uint32_t size : {known + 1, known + 8, known + 64}) {
        INFO(size);
        CHECK(with_size(size, 0, &error) == STEER_OK); // a newer host that asks for nothing new
        check_refused(name, with_size(size, 1, &error), error, STEER_ERR_UNSUPPORTED, "is set, this version knows");
    }
    // Where a struct lies does not matter.
    std::vector<unsigned char> packed(sizeof(Options) + 1);
    with_size(known, 0, &error);
    std::memcpy(packed.data() + 1, &given.options, sizeof(Options));
    CHECK(call(reinterpret_cast<Options*>(packed.data() + 1), &error) == STEER_OK);
}

} // namespace

TEST_CASE("struct_size: none, too small, odd, newer") {
    Bench b;
    check_struct_sizes<steer_model_options>(
        "model", [](auto* o) { *o = model_options([](auto&) {}); },
        [](const auto* o, auto* error) {
            Model out;
            return steer_model_load(folder().path().c_str(), o, out.out(), error);
        });
    static const steer_chat_message message{{"user", 4}, {"hi", 2}, {nullptr, 0}};
    check_struct_sizes<steer_chat>(
        "chat", [](auto* c) { steer_chat_init(c, sizeof *c), c->messages = &message, c->message_count = 1; },
        [&](const auto* c, auto* error) {
            size_t size;
            return steer_chat_format(b.model, c, nullptr, 0, &size, error);
        });
    check_struct_sizes<steer_vector_options>(
        "vector", [](auto* o) { steer_vector_options_init(o, sizeof *o); },
        [](const auto* o, auto* error) {
            const float row[16] = {1.0f};
            Vector out;
            return steer_vector_create(row, 1, 16, o, out.out(), error);
        });
    check_struct_sizes<steer_session_options>(
        "session", [](auto* o) { steer_session_options_init(o, sizeof *o); },
        [&](const auto* o, auto* error) {
            Session out;
            return steer_session_create(b.model, o, out.out(), error);
        });
    check_struct_sizes<steer_gauge_options>(
        "gauge", [&](auto* o) { steer_gauge_options_init(o, sizeof *o), o->vector = b.vector; },
        [&](const auto* o, auto* error) {
            steer_gauge_id id = 0;
            const steer_status status = steer_gauge_add(b.session, o, &id, error);
            if (id != 0) steer_gauge_remove(b.session, id, nullptr);
            return status;
        });
    check_struct_sizes<steer_injection_options>(
        "injection", [&](auto* o) { steer_injection_options_init(o, sizeof *o), o->vector = b.vector; },
        [&](const auto* o, auto* error) {
            steer_injection_id id = 0;
            const steer_status status = steer_injection_add(b.session, o, &id, error);
            if (id != 0) steer_injection_remove(b.session, id, nullptr);
            return status;
        });
    check_struct_sizes<steer_generation_options>(
        "generation", [](auto* o) { steer_generation_options_init(o, sizeof *o, nullptr); },
        [&](const auto* o, auto* error) { return steer_session_set_generation(b.session, o, error); });
}

TEST_CASE("out structs: as much as fits, the rest zero, nothing beyond") {
    Bench b;
    const auto check = [](const char* name, size_t known, const auto& call) {
        for (const size_t size : {size_t{1}, size_t{4}, size_t{7}, known / 2, known, known + 1, known + 24}) {
            INFO(name << " with " << size << " bytes");
            std::vector<unsigned char> whole(known + 64, 0xaa), out(known + 64, 0xaa);
            OK(call(whole.data(), known, &err));
            OK(call(out.data(), size, &err));
            for (size_t i = 0; i < out.size(); i++) {
                if (i >= size) CHECK(out[i] == 0xaa);
                else if (i >= known) CHECK(out[i] == 0);
                else CHECK(out[i] == whole[i]);
            }
        }
        std::vector<unsigned char> none(8);
        FAILS(call(none.data(), 0, &err), STEER_ERR_ARG, "out_size is 0");
    };
    check("model info", sizeof(steer_model_info),
          [&](void* out, size_t size, steer_error* error) { return steer_model_get_info(b.model, static_cast<steer_model_info*>(out), size, error); });
    check("vector info", sizeof(steer_vector_info),
          [&](void* out, size_t size, steer_error* error) { return steer_vector_get_info(b.vector, static_cast<steer_vector_info*>(out), size, error); });
    check("vector layer", sizeof(steer_vector_layer), [&](void* out, size_t size, steer_error* error) {
        return steer_vector_get_layer(b.vector, 1, STEER_ROWS_WRITE, static_cast<steer_vector_layer*>(out), size, error);
    });
    check("session info", sizeof(steer_session_info), [&](void* out, size_t size, steer_error* error) {
        return steer_session_get_info(b.session, static_cast<steer_session_info*>(out), size, error);
    });
}

TEST_CASE("handles and numbers are zero after a call that fails") {
    Bench b;
    auto* const odd = reinterpret_cast<void*>(uintptr_t{0x123});
    auto* model = static_cast<steer_model*>(odd);
    auto *created = static_cast<steer_session*>(odd), *forked = created;
    auto *loaded = static_cast<steer_vector*>(odd), *combined = loaded, *extracted = loaded;
    steer_injection_id injection = 77;
    steer_gauge_id gauge_id = 77;
    size_t count = 77;
    uint32_t turn = 77;
    CHECK(steer_model_load("/nowhere", nullptr, &model, nullptr) != STEER_OK);
    CHECK(steer_session_create(nullptr, nullptr, &created, nullptr) != STEER_OK);
    CHECK(steer_session_fork(nullptr, &forked, nullptr) != STEER_OK);
    CHECK(steer_vector_load("/nowhere", nullptr, &loaded, nullptr) != STEER_OK);
    CHECK(steer_vector_combine(nullptr, nullptr, 0, 0.0f, &combined, nullptr) != STEER_OK);
    CHECK(steer_vector_extract(b.model, nullptr, 0, nullptr, &extracted, nullptr) != STEER_OK);
    CHECK(steer_injection_add(b.session, nullptr, &injection, nullptr) != STEER_OK);
    CHECK(steer_gauge_add(b.session, nullptr, &gauge_id, nullptr) != STEER_OK);
    CHECK(steer_text_encode(nullptr, "a", 1, 0, nullptr, 0, &count, nullptr) != STEER_OK);
    CHECK(steer_session_set_tokens(b.session, 99, nullptr, nullptr, 0, &turn, nullptr) != STEER_OK);
    CHECK((model == nullptr && created == nullptr && forked == nullptr));
    CHECK((loaded == nullptr && combined == nullptr && extracted == nullptr));
    CHECK((injection == 0 && gauge_id == 0 && count == 0 && turn == 0));
}

TEST_CASE("a step for a host that knows less, or more") {
    for (const size_t size : {size_t{4}, size_t{28}, size_t{29}, sizeof(steer_step), sizeof(steer_step) + 40}) {
        Bench first, second;
        INFO(size);
        std::vector<unsigned char> outs(2 * size + 8, 0xaa);
        steer_session* const both[] = {first.session, second.session};
        OK(steer_session_step_many(both, 2, reinterpret_cast<steer_step*>(outs.data()), size, &err));
        for (size_t i = 0; i < 2; i++) {
            uint32_t struct_size;
            std::memcpy(&struct_size, outs.data() + i * size, sizeof struct_size);
            CHECK(struct_size == std::min(size, sizeof(steer_step)));
            if (size < 24) continue;
            int32_t position;
            std::memcpy(&position, outs.data() + i * size + offsetof(steer_step, position), sizeof position);
            CHECK(position == 1); // the prompt but for its last token
        }
        for (size_t i = sizeof(steer_step); i < size; i++) CHECK(outs[size + i] == 0);
        CHECK(outs[2 * size] == 0xaa);
    }
    Bench b;
    steer_step out;
    FAILS(steer_session_step(b.session, &out, 0, &err), STEER_ERR_ARG, "out_size is 0");
}

TEST_CASE("a buffer that is too small is told what it needs and stays as it was") {
    Bench b;
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    const steer_chat_message message{{"user", 4}, {"hello", 5}, {nullptr, 0}};
    chat.messages = &message;
    chat.message_count = 1;
    const int32_t ids[] = {'h', 'i', '!'};
    const auto check = [](const char* name, size_t element_size, const auto& call) {
        INFO(name);
        size_t needed = 0, told = 0;
        OK(call(nullptr, 0, &needed, &err));
        REQUIRE(needed > 1);
        for (const size_t cap : {size_t{0}, size_t{1}, needed - 1}) {
            std::vector<unsigned char> buffer(needed * element_size, 0xaa);
            FAILS(call(buffer.data(), cap, &told, &err), STEER_ERR_BUFFER, "are needed");
            CHECK(told == needed);
            CHECK(buffer == std::vector<unsigned char>(needed * element_size, 0xaa));
        }
        FAILS(call(nullptr, needed, &told, &err), STEER_ERR_ARG, "the buffer is NULL");
        std::vector<unsigned char> buffer((needed + 3) * element_size, 0xaa);
        OK(call(buffer.data(), SIZE_MAX, &told, &err)); // no larger than there is need
        CHECK(told == needed);
        for (size_t i = needed * element_size; i < buffer.size(); i++) CHECK(buffer[i] == 0xaa);
    };
    check("model_get_text", 1, [&](void* buf, size_t cap, size_t* size, steer_error* error) {
        return steer_model_get_text(b.model, STEER_MODEL_CONFIG, static_cast<char*>(buf), cap, size, error);
    });
    check("vector_get_metadata", 1, [&](void* buf, size_t cap, size_t* size, steer_error* error) {
        return steer_vector_get_metadata(b.vector, static_cast<char*>(buf), cap, size, error);
    });
    check("text_encode", sizeof(int32_t), [&](void* buf, size_t cap, size_t* count, steer_error* error) {
        return steer_text_encode(b.model, "hello you", 9, 0, static_cast<int32_t*>(buf), cap, count, error);
    });
    check("text_decode", 1, [&](void* buf, size_t cap, size_t* size, steer_error* error) {
        return steer_text_decode(b.model, ids, 3, 0, static_cast<char*>(buf), cap, size, error);
    });
    check("chat_format", 1, [&](void* buf, size_t cap, size_t* size, steer_error* error) {
        return steer_chat_format(b.model, &chat, static_cast<char*>(buf), cap, size, error);
    });
    check("chat_encode", sizeof(int32_t), [&](void* buf, size_t cap, size_t* count, steer_error* error) {
        return steer_chat_encode(b.model, &chat, nullptr, static_cast<int32_t*>(buf), nullptr, cap, count, error);
    });
    check("chat_encode marks", 1, [&](void* buf, size_t cap, size_t* count, steer_error* error) {
        return steer_chat_encode(b.model, &chat, nullptr, nullptr, static_cast<uint8_t*>(buf), cap, count, error);
    });
    check("get_tokens", sizeof(int32_t), [&](void* buf, size_t cap, size_t* count, steer_error* error) {
        return steer_session_get_tokens(b.session, static_cast<int32_t*>(buf), nullptr, cap, count, error);
    });
    check("get_tokens marks", 1, [&](void* buf, size_t cap, size_t* count, steer_error* error) {
        return steer_session_get_tokens(b.session, nullptr, static_cast<uint8_t*>(buf), cap, count, error);
    });
    check("state_save", 1, [&](void* buf, size_t cap, size_t* size, steer_error* error) {
        return steer_session_state_save(b.session, 0, buf, cap, size, error);
    });
}

TEST_CASE("sizes that no memory has") {
    constexpr size_t minus_one = SIZE_MAX, half = SIZE_MAX / 2 + 1;
    for (const size_t odd : {minus_one, half})
        check_misuses({
            {"text_encode", STEER_ERR_ARG, "no memory holds as many", [&](Bench& b, auto* error) {
                 size_t count;
                 return steer_text_encode(b.model, "a", odd, 0, nullptr, 0, &count, error);
             }},
            {"text_decode", STEER_ERR_ARG, "ids is", [&](Bench& b, auto* error) {
                 const int32_t id = 65;
                 size_t size;
                 return steer_text_decode(b.model, &id, odd, 0, nullptr, 0, &size, error);
             }},
            {"messages", STEER_ERR_ARG, "messages is",
             [&](Bench& b, auto* error) { return format_with(b.model, error, [&](auto& c) { c.message_count = odd; }); }},
            {"a message's role", STEER_ERR_ARG, "role is", [&](Bench& b, auto* error) {
                 const steer_chat_message message{{"user", odd}, {nullptr, 0}, {nullptr, 0}};
                 return format_with(b.model, error, [&](auto& c) { c.messages = &message; });
             }},
            {"vector_create rows", STEER_ERR_ARG, "out of range", [&](Bench&, auto* error) {
                 const float row[16] = {1.0f};
                 return steer_vector_create(row, odd, 16, nullptr, Vector().out(), error);
             }},
            {"vector_create width", STEER_ERR_ARG, "out of range", [&](Bench&, auto* error) {
                 const float row[16] = {1.0f};
                 return steer_vector_create(row, 1, odd, nullptr, Vector().out(), error);
             }},
            {"vector_load bytes", STEER_ERR_ARG, "data is", [&](Bench&, auto* error) {
                 steer_vector_options options;
                 steer_vector_options_init(&options, sizeof options);
                 options.data = "x";
                 options.data_size = odd;
                 return steer_vector_load(nullptr, &options, Vector().out(), error);
             }},
            {"vector_combine", STEER_ERR_ARG, "vs is", [&](Bench& b, auto* error) {
                 const steer_vector* one = b.vector;
                 const float weight = 1.0f;
                 return steer_vector_combine(&one, &weight, odd, 0.0f, Vector().out(), error);
             }},
            {"vector_extract", STEER_ERR_ARG, "pairs is", [&](Bench& b, auto* error) {
                 const steer_contrast_pair pair{};
                 return steer_vector_extract(b.model, &pair, odd, nullptr, Vector().out(), error);
             }},
            {"set_tokens", STEER_ERR_ARG, "ids is", [&](Bench& b, auto* error) {
                 const int32_t id = 65;
                 return steer_session_set_tokens(b.session, 0, &id, nullptr, odd, nullptr, error);
             }},
            {"biases", STEER_ERR_ARG, "biases is", [&](Bench& b, auto* error) {
                 const steer_logit_bias bias{65, 1.0f};
                 return sample_with(b, error, [&](auto& o) { o.biases = &bias, o.bias_count = odd; });
             }},
            {"stop_texts", STEER_ERR_ARG, "stop_texts is", [&](Bench& b, auto* error) {
                 const steer_view text{"x", 1};
                 return sample_with(b, error, [&](auto& o) { o.stop_texts = &text, o.stop_text_count = odd; });
             }},
            {"a stop text", STEER_ERR_ARG, "stop text is", [&](Bench& b, auto* error) {
                 const steer_view text{"x", odd};
                 return sample_with(b, error, [&](auto& o) { o.stop_texts = &text, o.stop_text_count = 1; });
             }},
            {"stop_tokens", STEER_ERR_ARG, "stop_tokens is",
             [&](Bench& b, auto* error) { return sample_with(b, error, [&](auto& o) { o.stop_token_count = odd; }); }},
            {"step_many", STEER_ERR_ARG, "ss is", [&](Bench& b, auto* error) {
                 steer_session* const one = b.session;
                 steer_step out;
                 return steer_session_step_many(&one, odd, &out, sizeof out, error);
             }},
            {"step_many stride", STEER_ERR_ARG, "count is", [&](Bench& b, auto* error) {
                 steer_session* const one[] = {b.session, b.session};
                 steer_step out;
                 return steer_session_step_many(one, 2, &out, odd, error);
             }},
            {"state_load", STEER_ERR_ARG, "buf is",
             [&](Bench& b, auto* error) { return steer_session_state_load(b.session, "STEERSES", odd, error); }},
        });
    Bench b;
    const std::vector<int32_t> long_list(3000, 'a');
    FAILS(steer_session_set_tokens(b.session, 0, long_list.data(), nullptr, long_list.size(), nullptr, &err),
          STEER_ERR_CONTEXT_FULL, "3000 tokens");
}
