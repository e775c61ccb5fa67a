// Every allocation of a whole life of a model, its vectors and conversations fails once: the call says so, nothing is lost,
// and the same call made again does what it would have done.
#include "../tree.h"
#include "fault_plan.h"
#include "host.h"

#include <filesystem>

using namespace host;

namespace {

struct Life {
    size_t refused = 0; // calls that were STEER_ERR_MEMORY and then succeeded
    std::vector<int32_t> tokens;
    std::string text, reply; // reply: under a constraint

    // The call, again after a refusal for want of memory.
    template<class Call> void must(const char* what, Call call) {
        steer_error err{};
        steer_status status;
        {
            const faults::During injecting(faults::allocations);
            status = call(&err);
        }
        if (status == STEER_ERR_MEMORY) {
            refused++;
            CHECK(err.status == STEER_ERR_MEMORY);
            status = call(&err); // memory is back
        }
        INFO(what << ": " << steer_status_name(status) << ": " << err.message);
        REQUIRE(status == STEER_OK);
    }

    void step(steer_session* session) {
        steer_step out;
        must("step", [&](steer_error* err) { return steer_session_step(session, &out, sizeof out, err); });
        if (out.token >= 0) tokens.push_back(out.token);
        text.append(out.text.data, out.text.size);
    }

    void live(const std::string& scratch);
};

#define MUST(call) must(#call, [&](steer_error* err) { return call; })

void Life::live(const std::string& scratch) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    Model model;
    MUST(steer_model_load(folder().path().c_str(), &options, model.out(), err));
    steer_model_info info;
    MUST(steer_model_get_info(model, &info, sizeof info, err));

    int32_t ids[256];
    size_t count = 0;
    const steer_chat_message messages[] = {{{"system", 6}, {"be kind", 7}, {nullptr, 0}}, {{"user", 4}, {"hello hell", 10}, {nullptr, 0}}};
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.messages = messages;
    chat.message_count = 2;
    chat.flags = STEER_CHAT_OPEN_REPLY;
    MUST(steer_chat_encode(model, &chat, nullptr, ids, nullptr, std::size(ids), &count, err));

    const std::vector<float> rows(48, 0.5f);
    steer_vector_options made;
    steer_vector_options_init(&made, sizeof made);
    made.model = model;
    made.name = "half";
    Vector vector, loaded, both, extracted, probed, principal;
    MUST(steer_vector_create(rows.data(), 3, 16, &made, vector.out(), err));
    const std::string path = scratch + "/vector.safetensors";
    MUST(steer_vector_save(vector, path.c_str(), STEER_FORMAT_NATIVE, err));
    MUST(steer_vector_load(path.c_str(), &made, loaded.out(), err));
    for (const int32_t format : {STEER_FORMAT_GGUF, STEER_FORMAT_TORCH, STEER_FORMAT_SVEC}) {
        Vector again;
        const std::string other = path + std::to_string(format);
        MUST(steer_vector_save(vector, other.c_str(), format, err));
        MUST(steer_vector_load(other.c_str(), nullptr, again.out(), err));
        size_t size = 0;
        MUST(steer_vector_get_metadata(again, nullptr, 0, &size, err));
    }
    const steer_vector* const pair[] = {vector, loaded};
    const float weights[] = {0.5f, 0.25f};
    MUST(steer_vector_combine(pair, weights, 2, 0.0f, both.out(), err));
    const steer_passage loud{{"loud", 4}, {"hello", 5}, {"hell hell", 9}}, calm{{nullptr, 0}, {"hello", 5}, {"o o o", 5}};
    const steer_contrast_pair pairs[] = {{loud, calm, 1}, {loud, calm, 2}, {loud, calm, 3}};
    steer_extract_options extract;
    steer_extract_options_init(&extract, sizeof extract);
    MUST(steer_vector_extract(model, pairs, 3, &extract, extracted.out(), err));
    extract.method = STEER_METHOD_PROBE;
    MUST(steer_vector_extract(model, pairs, 3, &extract, probed.out(), err));
    extract.method = STEER_METHOD_PCA_UNCENTRED;
    MUST(steer_vector_extract(model, pairs, 3, &extract, principal.out(), err));

    steer_session_options wanted;
    steer_session_options_init(&wanted, sizeof wanted);
    wanted.prefill_chunk = 16;
    Session session, fork, restored;
    MUST(steer_session_create(model, &wanted, session.out(), err));
    const steer_generation_options generation = plain_generation();
    MUST(steer_session_set_generation(session, &generation, err));
    steer_injection_options injection;
    steer_injection_options_init(&injection, sizeof injection);
    injection.vector = both;
    injection.strength = 1.5f;
    steer_injection_id push = 0;
    MUST(steer_injection_add(session, &injection, &push, err));
    steer_gauge_options gauge;
    steer_gauge_options_init(&gauge, sizeof gauge);
    gauge.vector = vector;
    gauge.reading = STEER_READING_OWN;
    gauge.window = 4;
    steer_gauge_id dial = 0;
    MUST(steer_gauge_add(session, &gauge, &dial, err));
    const steer_condition conditions[] = {{dial, STEER_WHEN_LAST_STEP, STEER_TEST_ABOVE, 0.1f, -0.1f, 0},
                                          {dial, STEER_WHEN_LAST_STEP, STEER_TEST_BELOW, 0.0f, 0.0f, 1}};
    steer_injection_options held = injection;
    held.op = STEER_OP_INTERVAL;
    held.strength = 0.5f;
    held.conditions = conditions;
    held.condition_count = 2;
    steer_injection_id interval = 0;
    MUST(steer_injection_add(session, &held, &interval, err));
    gauge.layer_begin = 0, gauge.layer_end = 1;
    gauge.window = 1;
    steer_gauge_id low = 0;
    MUST(steer_gauge_add(session, &gauge, &low, err));
    const steer_condition gate{low, STEER_WHEN_SAME_PASS, STEER_TEST_ABOVE, 0.0f, -0.2f, 0};
    injection.layer_begin = 1;
    injection.conditions = &gate;
    injection.condition_count = 1;
    steer_injection_id gated = 0;
    MUST(steer_injection_add(session, &injection, &gated, err));
    MUST(steer_session_set_tokens(session, 0, ids, nullptr, count, nullptr, err));
    for (int i = 0; i < 8; i++) step(session);
    MUST(steer_session_fork(session, fork.out(), err));
    step(fork);
    steer_session* const several[] = {session, fork};
    steer_step outs[2];
    must("step_many", [&](steer_error* err) -> steer_status {
        const steer_status status = steer_session_step_many(several, 2, outs, sizeof outs[0], err);
        if (status != STEER_OK) return status;
        for (size_t i = 0; i < 2; i++) { // a row's own failure: that row alone again
            if (outs[i].status == STEER_ERR_MEMORY) {
                refused++;
                faults::allocations.armed = false;
                if (steer_session_step(several[i], &outs[i], sizeof outs[i], err) != STEER_OK) return err->status;
            }
            tokens.push_back(outs[i].token);
        }
        return STEER_OK;
    });
    Session strict;
    MUST(steer_session_create(model, &wanted, strict.out(), err));
    steer_generation_options json = generation;
    const std::string schema = R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"string","maxLength":3}},
        "b":{"type":"string","pattern":"^[a-c]+d$"}},"required":["a","b"],"additionalProperties":{"$ref":"#"}})";
    json.constraint = STEER_CONSTRAINT_JSON_SCHEMA;
    json.constraint_text = {schema.data(), schema.size()};
    json.token_max = 60;
    MUST(steer_session_set_generation(strict, &json, err));
    MUST(steer_session_set_tokens(strict, 0, ids, nullptr, 4, nullptr, err));
    const size_t begin = text.size();
    for (int i = 0; i < 61; i++) step(strict);
    reply = text.substr(begin);
    std::string state(1 << 20, '\0');
    size_t size = 0;
    MUST(steer_session_state_save(session, STEER_STATE_CACHE, state.data(), state.size(), &size, err));
    MUST(steer_session_create(model, &wanted, restored.out(), err));
    MUST(steer_session_state_load(restored, state.data(), size, err));
    MUST(steer_model_set_residency(model, STEER_RESIDENCY_NONE, nullptr, nullptr, err));
    MUST(steer_model_set_residency(model, STEER_RESIDENCY_HOST, nullptr, nullptr, err));
    MUST(steer_model_set_residency(model, STEER_RESIDENCY_DEVICE, nullptr, nullptr, err));
    for (int i = 0; i < 4; i++) step(session);
    for (int i = 0; i < 3; i++) step(restored);
    const std::string out = scratch + "/export";
    std::filesystem::remove_all(out);
    MUST(steer_model_export(model, out.c_str(), nullptr, nullptr, err));
}

} // namespace

TEST_CASE("every allocation may fail: once, or from then on") {
    const tiny::Folder scratch;
    Life undisturbed;
    faults::allocations = {};
    undisturbed.live(scratch.path());
    const size_t count = faults::allocations.count;
    REQUIRE(count > 1000);
    REQUIRE(undisturbed.tokens.size() >= 8);
    REQUIRE(Tree::parse(undisturbed.reply).contains("b"));

    const bool and_later = GENERATE(false, true);
    size_t refused = 0;
    for (const size_t at : faults::points(count, 400)) {
        Life life;
        faults::allocations = {false, 0, at, and_later};
        CAPTURE(at, and_later);
        life.live(scratch.path());
        REQUIRE(life.tokens == undisturbed.tokens);
        REQUIRE(life.text == undisturbed.text);
        refused += life.refused;
    }
    faults::allocations = {};
    CHECK(refused > 100); // some allocations are done without where they fail; most are not
}
