// The same words everywhere: a reply depends on model, seed, list and strengths alone; not on compiler, optimisation, batch or
// thread. The fake backend adds in a fixed order, so its tokens can be written down.
#include "host.h"

#include <array>
#include <thread>

using namespace host;

namespace {

constexpr std::array<const char*, 10> kPrompts{"hello", "hell", "o", "say it again", "\xe3\x81\x82\xe3\x81\x84", "{\"a\": [1, 2]}", "   ",
                                               "The quick brown fox jumps over the lazy dog.", "\n\n", "0123456789"};

std::vector<Session> prepare(steer_model* model, steer_vector* vector) { // steered, drawn at temperature 0.9
    std::vector<Session> sessions;
    for (size_t i = 0; i < kPrompts.size(); i++) {
        Session& session = sessions.emplace_back(create(model, 0, i % 2 == 0 ? 0 : 5));
        steer_generation_options options = plain_generation();
        options.temperature = 0.9f;
        options.top_p = 0.95f;
        options.seed = 1000 + i;
        set_generation(session, options);
        inject(session, vector, static_cast<float>(i) - 4.0f);
        set_tokens(session, 0, encode(model, kPrompts[i]));
    }
    return sessions;
}

// Over 24 tokens of each. Without the macros of Catch2, which are for one thread at a time.
uint64_t token_hash(const std::vector<Session>& sessions) {
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a over the ids
    for (const Session& session : sessions)
        for (int tokens = 0; tokens < 24;) {
            steer_step step;
            if (steer_session_step(session, &step, sizeof step, nullptr) != STEER_OK) return 0;
            if (step.token < 0) continue;
            tokens++;
            for (int byte = 0; byte < 4; byte++) hash = (hash ^ (static_cast<uint32_t>(step.token) >> 8 * byte & 0xffu)) * 0x100000001b3u;
        }
    return hash;
}

} // namespace

TEST_CASE("ten replies are those written down, in one thread and in several at once") {
    Model model = load();
    Vector vector = axis_vector(model, 5);
    constexpr uint64_t written_down = 0x93559f32bf3763b3u;
    CHECK(token_hash(prepare(model, vector)) == written_down);
    CHECK(token_hash(prepare(model, vector)) == written_down);
    std::array<uint64_t, 2> hashes{};
    std::array<std::vector<Session>, 2> prepared{prepare(model, vector), prepare(model, vector)};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < hashes.size(); i++) threads.emplace_back([&, i] { hashes[i] = token_hash(prepared[i]); });
    for (std::thread& thread : threads) thread.join();
    for (const uint64_t hash : hashes) CHECK(hash == written_down);
}
