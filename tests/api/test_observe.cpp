// The observer through the C door: what it sees, what it changes.
#define STEER_ENABLE_UNSTABLE
#include "host.h"

#include <map>
#include <thread>

using namespace host;

namespace {

struct Seen {
    std::map<std::pair<int32_t, int32_t>, std::vector<float>> states; // by layer and position
    std::thread::id thread;
    float add = 0.0f; // to component 5 of the replies' positions
    int32_t from = INT32_MAX;
    steer_session* session = nullptr;
    steer_status inner = STEER_OK;
};

int32_t look(void* user, int32_t layer, int32_t position, float* hidden, size_t rows, size_t size) {
    auto& seen = *static_cast<Seen*>(user);
    seen.thread = std::this_thread::get_id();
    for (size_t row = 0; row < rows; row++) {
        const int32_t at = position + static_cast<int32_t>(row);
        seen.states[{layer, at}].assign(hidden + row * size, hidden + (row + 1) * size);
        if (at >= seen.from) hidden[row * size + 5] += seen.add;
    }
    steer_step step;
    seen.inner = steer_session_step(seen.session, &step, sizeof step, nullptr);
    return seen.add != 0.0f;
}

} // namespace

TEST_CASE("an observer sees every position of its layers, on the caller's thread") {
    Model model = load();
    Vector vector = axis_vector(model, 5);
    Session session = start(model, "tell me about the sea"), unseen = start(model, "tell me about the sea");
    for (const int32_t layer : {0, 2}) gauge(session, vector, layer, STEER_READING_RAW, STEER_TAP_AFTER);
    inject(session, vector, 2.0f, 0, 1), inject(unseen, vector, 2.0f, 0, 1);
    Seen seen;
    seen.session = session;
    const int32_t layers[] = {2, -1, 0};
    OK(steer_session_observe(session, layers, 3, look, &seen, &err));
    const auto steps = reply(session, 6);
    CHECK(seen.thread == std::this_thread::get_id());
    CHECK(seen.inner == STEER_ERR_BUSY); // a step inside it would wait for itself
    CHECK(tokens_of(steps) == tokens_of(reply(unseen, 6)));
    const int32_t computed = info(session).computed_count;
    CHECK(seen.states.size() == 3 * static_cast<size_t>(computed));
    for (const Step& one : steps) // the position that chose the token is the one before it
        if (one.c.token >= 0)
            for (size_t i = 0; i < 2; i++) CHECK(seen.states[{i == 0 ? 0 : 2, one.c.position - 1}][5] == Approx(one.gauges[i]));
    OK(steer_session_observe(session, nullptr, 0, nullptr, nullptr, &err));
    const size_t before = seen.states.size();
    reply(session, 2);
    CHECK(seen.states.size() == before);
}

TEST_CASE("what an observer edits is what a push of the same size does") {
    Model model = load();
    Vector vector = axis_vector(model, 5);
    Session edited = start(model, "tell me about the sea"), pushed = start(model, "tell me about the sea");
    Seen seen;
    seen.session = edited;
    seen.add = 1.5f, seen.from = 0;
    const int32_t layer = 1;
    OK(steer_session_observe(edited, &layer, 1, look, &seen, &err));
    inject(pushed, vector, 1.5f, 1, 2);
    const auto got = reply(edited, 10), expected = reply(pushed, 10);
    for (size_t i = 0; i < expected.size(); i++) {
        CHECK(got[i].c.token == expected[i].c.token);
        if (got[i].c.token >= 0) CHECK(got[i].c.log_prob == expected[i].c.log_prob);
    }
}

TEST_CASE("an observer that makes no sense is refused") {
    Model model = load();
    Session session = start(model, "tell me about the sea");
    const int32_t good = 0, high = 3, low = -2;
    FAILS(steer_session_observe(session, &high, 1, look, nullptr, &err), STEER_ERR_ARG, "layer");
    FAILS(steer_session_observe(session, &low, 1, look, nullptr, &err), STEER_ERR_ARG, "layer");
    FAILS(steer_session_observe(session, &good, 1, nullptr, nullptr, &err), STEER_ERR_ARG, "belong together");
    FAILS(steer_session_observe(session, nullptr, 0, look, nullptr, &err), STEER_ERR_ARG, "belong together");
}
