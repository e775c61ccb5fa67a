// Saved conversations, with and without their cache, and conversations over moves of the weights.
#include "host.h"

using namespace host;

namespace {

std::vector<int32_t> prompt_of(int length, int seed = 1) {
    std::vector<int32_t> ids;
    for (int i = 0; i < length; i++) ids.push_back((i * 31 + seed * 17 + i * i % 7) % 256);
    return ids;
}

std::string save(steer_session* session, uint32_t flags) {
    size_t size = 0;
    OK(steer_session_state_save(session, flags, nullptr, 0, &size, &err));
    std::string state(size, '\0');
    OK(steer_session_state_save(session, flags, state.data(), size, &size, &err));
    REQUIRE(size == state.size());
    return state;
}

void move_to(steer_model* model, int32_t residency) {
    OK(steer_model_set_residency(model, residency, nullptr, nullptr, &err));
}

// A conversation whose cache no cold run would compute: its strength was changed on the way.
struct Changed {
    Model model = load();
    Vector vector = axis_vector(model, 3);
    Session session = create(model);
    steer_injection_id push = 0;

    explicit Changed(int length) {
        set_generation(session, plain_generation());
        push = inject(session, vector, 4.0f);
        set_tokens(session, 0, prompt_of(length));
        reply(session, 9);
        REQUIRE(steer_injection_set(session, push, -2.0f, 0) == STEER_OK);
    }

    Session stranger() { // the same controls, nothing said
        Session other = create(model);
        set_generation(other, plain_generation());
        inject(other, vector, -2.0f);
        return other;
    }
};

} // namespace

TEST_CASE("saved and loaded, a conversation goes on as if nothing had been") {
    Model model = load();
    Session session = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt_of(40));
    reply(session, 15);
    size_t size = 0;
    OK(steer_session_state_save(session, 0, nullptr, 0, &size, &err));
    std::string state(size, '\0');
    FAILS(steer_session_state_save(session, 0, state.data(), size - 1, &size, &err), STEER_ERR_BUFFER, "needed");
    OK(steer_session_state_save(session, 0, state.data(), size, &size, &err));
    FAILS(steer_session_state_save(session, 2, nullptr, 0, &size, &err), STEER_ERR_UNSUPPORTED, "unknown bits");

    Session restored = create(model);
    set_generation(restored, plain_generation());
    OK(steer_session_state_load(restored, state.data(), state.size(), &err));
    CHECK(list(restored) == list(session));
    CHECK(info(restored).reply_count == 15);
    const auto expected = reply(session, 20);
    const auto got = reply(restored, 20);
    CHECK(tokens_of(got) == tokens_of(expected));
    CHECK(text_of(got) == text_of(expected));

    SECTION("a damaged state is refused and changes nothing") {
        const auto before = list(restored);
        for (size_t at = 0; at < state.size(); at += 7) {
            std::string broken = state;
            broken[at] = static_cast<char>(broken[at] ^ 0x40);
            CHECK(steer_session_state_load(restored, broken.data(), broken.size(), nullptr) != STEER_OK);
        }
        for (size_t cut = 0; cut < state.size(); cut += 11)
            CHECK(steer_session_state_load(restored, state.data(), cut, nullptr) != STEER_OK);
        CHECK(list(restored) == before);
    }
    SECTION("another model refuses it, naming both") {
        tiny::Options other;
        other.weight = 1.0f;
        const tiny::Folder changed(other);
        Model stranger = load(STEER_RESIDENCY_NONE, changed.path());
        Session there = create(stranger);
        FAILS(steer_session_state_load(there, state.data(), state.size(), &err), STEER_ERR_MISMATCH, "made by model");
    }
}

TEST_CASE("with the cache a conversation goes on under what it was computed under") {
    const int length = GENERATE(20, 55, 56, 120); // the cache ends inside a block, at its end, in the next
    Changed made(length);
    const std::string cold = save(made.session, 0), warm = save(made.session, STEER_STATE_CACHE);
    steer_model_info model;
    OK(steer_model_get_info(made.model, &model, sizeof model, &err));
    CHECK(warm.size() > cold.size() + static_cast<size_t>(length + 8) * model.cache_bytes_per_token);

    Session restored = made.stranger(), recomputed = made.stranger();
    OK(steer_session_state_load(restored, warm.data(), warm.size(), &err));
    OK(steer_session_state_load(recomputed, cold.data(), cold.size(), &err));
    CHECK(info(restored).computed_count == info(made.session).computed_count);
    CHECK(info(restored).stale_from == info(made.session).stale_from);
    CHECK(info(restored).stale_from == 0);
    CHECK(info(restored).reply_count == 9);
    CHECK(info(recomputed).computed_count == 0);

    const auto expected = reply(made.session, 25), got = reply(restored, 25), other = reply(recomputed, 25);
    CHECK(tokens_of(got) == tokens_of(expected));
    CHECK(text_of(got) == text_of(expected));
    for (size_t i = 0; i < expected.size(); i++) CHECK(got[i].c.log_prob == expected[i].c.log_prob);
    CHECK(tokens_of(other) != tokens_of(expected)); // or the test would show nothing
    CHECK(info(recomputed).stale_from == -1);
}

TEST_CASE("a saved cache holds nothing of other conversations") {
    Model model = load();
    Session session = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt_of(70));
    reply(session, 2);
    const std::string clean = save(session, STEER_STATE_CACHE);
    { // fills blocks that the next conversation gets
        Session loud = create(model);
        set_tokens(loud, 0, prompt_of(200, 9));
        reply(loud, 2);
    }
    Session again = create(model);
    set_generation(again, plain_generation());
    set_tokens(again, 0, prompt_of(70));
    reply(again, 2);
    CHECK(save(again, STEER_STATE_CACHE) == clean);
}

TEST_CASE("loading a cache is all or nothing") {
    Changed made(40);
    const std::string state = save(made.session, STEER_STATE_CACHE);
    Session other = made.stranger();
    set_tokens(other, 0, prompt_of(12, 4));
    reply(other, 3);
    const auto before = list(other);
    const auto computed = info(other).computed_count;
    SECTION("damaged") {
        for (size_t at = 0; at < state.size(); at += 97) {
            std::string broken = state;
            broken[at] = static_cast<char>(broken[at] ^ 1);
            CHECK(steer_session_state_load(other, broken.data(), broken.size(), nullptr) != STEER_OK);
        }
    }
    SECTION("while the weights are away") {
        move_to(made.model, STEER_RESIDENCY_NONE);
        FAILS(steer_session_state_load(other, state.data(), state.size(), &err), STEER_ERR_STATE, "residency");
        CHECK(list(other) == before);
        return;
    }
    SECTION("into a context that is too small") {
        Session small = create(made.model, 30);
        FAILS(steer_session_state_load(small, state.data(), state.size(), &err), STEER_ERR_CONTEXT_FULL, "49 tokens");
    }
    CHECK(list(other) == before);
    CHECK(info(other).computed_count == computed);
}

TEST_CASE("parked weights keep conversations and caches") {
    Changed made(GENERATE(10, 90));
    Session twin;
    OK(steer_session_fork(made.session, twin.out(), &err));
    const auto expected = reply(twin, 12);
    const auto computed = info(made.session).computed_count;

    move_to(made.model, STEER_RESIDENCY_HOST);
    steer_model_info model;
    OK(steer_model_get_info(made.model, &model, sizeof model, &err));
    CHECK(model.residency == STEER_RESIDENCY_HOST);
    steer_step out;
    FAILS(steer_session_step(made.session, &out, sizeof out, &err), STEER_ERR_STATE, "residency");
    CHECK(info(made.session).computed_count == computed);
    const std::string parked = save(made.session, STEER_STATE_CACHE); // of the parked cache
    CHECK(steer_injection_set(made.session, made.push, -2.0f, 0) == STEER_OK); // controls are alive

    move_to(made.model, STEER_RESIDENCY_DEVICE);
    CHECK(save(made.session, STEER_STATE_CACHE) == parked);
    CHECK(tokens_of(reply(made.session, 12)) == tokens_of(expected));
}

TEST_CASE("weights may be loaded into main memory first") {
    Model model = load(STEER_RESIDENCY_HOST);
    Session session = create(model), other = create(model);
    set_generation(session, plain_generation());
    set_tokens(session, 0, prompt_of(30));
    steer_step out;
    FAILS(steer_session_step(session, &out, sizeof out, &err), STEER_ERR_STATE, "residency");
    move_to(model, STEER_RESIDENCY_DEVICE);
    const auto tokens = tokens_of(reply(session, 10));
    Model usual = load();
    Session there = create(usual);
    set_generation(there, plain_generation());
    set_tokens(there, 0, prompt_of(30));
    CHECK(tokens_of(reply(there, 10)) == tokens);
}
