// The worker: what is posted comes out whole, in order, however the host polls.
#include "host.h"

#include <cmath>
#include <thread>

using namespace host;

namespace {

steer::Session talker(const steer::Model& model, int32_t token_max, int32_t chunk = 8) {
    steer::Session session = steer::Session::create(model, {.prefill_chunk = chunk});
    session.set_generation(plain(token_max), &model);
    return session;
}

steer::Tokens tokens_of(std::vector<int32_t> ids) { return {.ids = std::move(ids)}; }

struct Heard {
    std::string text;
    uint32_t tokens = 0;
    int updates = 0;
    steer::Update last;
};

// Polls as a frame loop does until the turn has ended.
Heard hear(steer::Worker& worker, uint32_t turn) {
    Heard heard;
    steer::Update update;
    while (!heard.last.ended()) {
        if (!worker.poll(update)) {
            std::this_thread::yield();
            continue;
        }
        CHECK(update.turn == turn);
        heard.text += update.text;
        heard.tokens += update.token_count;
        heard.updates++;
        heard.last = update;
    }
    return heard;
}

} // namespace

TEST_CASE("a worker says what the session says alone") {
    const steer::Model model = load();
    const steer::Vector vector = axis_vector(model, 4);
    steer::Session session = talker(model, 40), alone = talker(model, 40);
    for (steer::Session* one : {&session, &alone}) {
        one->add_injection({.vector = &vector, .strength = 1.0f});
        one->add_gauge({.vector = &vector, .metric = steer::Metric::dot});
    }
    steer::Worker worker = steer::Worker::create(model, std::move(session));
    std::vector<steer::Message> talk{{.role = "user", .content = "hello"}};
    for (int round = 0; round < 3; round++) {
        alone.set_tokens(0, model.encode_chat(talk, {.open_reply = true}, &alone));
        const Reference reference = speak(alone.get());
        const uint32_t turn = worker.post(talk);
        CHECK(turn == static_cast<uint32_t>(round) + 1);
        const Heard heard = hear(worker, turn);
        CHECK(heard.text == reference.text);
        CHECK(heard.tokens == 40);
        CHECK(heard.last.finish == steer::Finish::token_max);
        REQUIRE(heard.last.gauges.size() == 1);
        CHECK(heard.last.gauges[0] == reference.gauge);
        CHECK(heard.last.strengths == std::vector<float>{1.0f});
        talk.push_back({.role = "assistant", .content = heard.text});
        talk.push_back({.role = "user", .content = "and?"});
    }
    steer::Update nothing;
    CHECK_FALSE(worker.poll(nothing));
}

TEST_CASE("a host that never polls loses nothing, and its updates are one a turn") {
    const steer::Model model = load();
    steer::Session alone = talker(model, 300);
    alone.set_tokens(0, prompt_of(1, 40));
    const Reference first = speak(alone.get());
    alone.set_tokens(0, prompt_of(2, 40));
    const Reference second = speak(alone.get());
    steer::Worker worker = steer::Worker::create(model, talker(model, 300), steer::WorkerThread::host);
    CHECK_FALSE(worker.work());
    worker.post_tokens(tokens_of(prompt_of(1, 40)));
    worker.post_tokens(tokens_of(prompt_of(2, 40)));
    while (worker.work()) {}
    steer::Update update;
    for (const Reference& reference : {first, second}) {
        REQUIRE(worker.poll(update));
        CHECK(update.text == reference.text);
        CHECK(update.token_count == 300);
        CHECK(update.pending_count == 0);
        CHECK(update.gauges.size() == 0); // there are none
        CHECK(update.finish == steer::Finish::token_max);
    }
    CHECK_FALSE(worker.poll(update));
}

TEST_CASE("updates between steps: prompt progress, the newest gauges, sentences") {
    const steer::Model model = load();
    const steer::Vector vector = axis_vector(model, 4);
    steer::Session session = talker(model, 6), alone = talker(model, 6);
    for (steer::Session* one : {&session, &alone}) {
        one->add_gauge({.vector = &vector});
        one->set_generation({.token_max = 6, .seed = 7, .stop_tokens = {{}}, .biases = {{'.', 6.0f}}}, nullptr);
    }
    steer::Worker worker = steer::Worker::create(model, std::move(session), steer::WorkerThread::host);
    worker.post_tokens(tokens_of(prompt_of(3, 20)));
    alone.set_tokens(0, prompt_of(3, 20));
    worker.work(); // begins the turn
    steer::Update update;
    CHECK_FALSE(worker.poll(update));
    std::string said;
    size_t ends = 0;
    for (const steer::Step& step : alone.steps()) {
        worker.work();
        REQUIRE(worker.poll(update));
        CHECK(update.text == step.text());
        CHECK(update.pending_count == step.pending_count);
        CHECK(update.token_count == (step.token >= 0 ? 1 : 0));
        CHECK(update.gauges.size() == (step.token >= 0 ? 1 : 0));
        if (step.token >= 0) CHECK(update.gauges[0] == step.gauges()[0]);
        CHECK(update.sentence_end == (step.sentence_end() ? update.text.size() : 0));
        ends += update.sentence_end > 0;
        CHECK(update.finish == step.finish());
    }
    CHECK(ends > 0);
    CHECK_FALSE(worker.work());
}

TEST_CASE("a turn is cancelled by its number, others are not") {
    const steer::Model model = load();
    steer::Worker worker = steer::Worker::create(model, talker(model, 5), steer::WorkerThread::host);
    const uint32_t first = worker.post_tokens(tokens_of(prompt_of(1, 3)));
    const uint32_t second = worker.post_tokens(tokens_of(prompt_of(2, 3)));
    const uint32_t third = worker.post_tokens(tokens_of(prompt_of(3, 3)));
    worker.work();
    worker.work(); // the prompt of the first
    worker.cancel(first);
    worker.cancel(second); // has not begun, never will
    worker.cancel(99);
    while (worker.work()) {}
    steer::Update update;
    REQUIRE(worker.poll(update));
    CHECK(update.turn == first);
    CHECK(update.finish == steer::Finish::cancelled);
    REQUIRE(worker.poll(update));
    CHECK(update.turn == second);
    CHECK(update.finish == steer::Finish::cancelled);
    CHECK(update.text.empty());
    REQUIRE(worker.poll(update));
    CHECK(update.turn == third);
    CHECK(update.finish == steer::Finish::token_max);
    worker.cancel(third); // late
    CHECK_FALSE(worker.poll(update));
    CHECK(worker.session().tokens().ids.size() == 3 + 5); // the second left no trace
    worker.post_tokens(tokens_of(prompt_of(4, 3)));
    worker.post_tokens(tokens_of(prompt_of(5, 3)));
    worker.cancel();
    CHECK_FALSE(worker.work());
    CHECK((worker.poll(update) && update.finish == steer::Finish::cancelled));
    CHECK((worker.poll(update) && update.finish == steer::Finish::cancelled));
}

TEST_CASE("a turn that fails says why, and the next is spoken") {
    steer::Model model = load();
    steer::Worker worker = steer::Worker::create(model, talker(model, 3), steer::WorkerThread::host);
    worker.post_tokens(tokens_of({1, 2, kVocabulary}));
    worker.post(std::vector<steer::Message>{{.role = "", .content = "who?"}});
    worker.post_tokens(tokens_of({}));
    worker.post(std::vector<steer::Message>{{.role = "user", .content = "hi"}});
    while (worker.work()) {}
    steer::Update update;
    REQUIRE(worker.poll(update));
    CHECK(update.error.status == STEER_ERR_ARG);
    CHECK_THAT(update.error.message, Catch::Contains("index 2"));
    REQUIRE(worker.poll(update));
    CHECK_THAT(update.error.message, Catch::Contains("role"));
    REQUIRE(worker.poll(update));
    CHECK(update.error.status == STEER_ERR_STATE);
    REQUIRE(worker.poll(update));
    CHECK(update.error.status == STEER_OK);
    CHECK(update.token_count == 3);
    model.reset();
    worker.post(std::vector<steer::Message>{{.role = "user", .content = "hi"}}); // nobody is left to encode it
    while (worker.work()) {}
    REQUIRE(worker.poll(update));
    CHECK(update.ended());
    CHECK_THAT(update.error.message, Catch::Contains("live handle"));
}

TEST_CASE("a message is gone on with") {
    const steer::Model model = load();
    steer::Worker worker = steer::Worker::create(model, talker(model, 2));
    const std::vector<steer::Message> talk{{.role = "user", .content = "hi"}, {.role = "assistant", .content = "well"}};
    hear(worker, worker.post(talk, {.continue_last = true}));
    const std::vector<int32_t> expected = model.encode_chat(talk, {.continue_last = true}).ids;
    std::vector<int32_t> ids = worker.session().tokens().ids;
    ids.resize(expected.size());
    CHECK(ids == expected);
}

TEST_CASE("strengths move while the worker speaks") {
    const steer::Model model = load();
    const steer::Vector vector = axis_vector(model, 4);
    steer::Session session = talker(model, 1000);
    const steer::InjectionId slider = session.add_injection({.vector = &vector, .strength = 0.0f});
    steer::Worker worker = steer::Worker::create(model, std::move(session));
    const uint32_t turn = worker.post_tokens(tokens_of(prompt_of(1, 10)));
    steer::Update update;
    float seen = 0.0f;
    while (seen != 0.5f && !update.ended()) {
        worker.session().set_strength(slider, 0.5f);
        if (!worker.poll(update)) std::this_thread::yield();
        else if (update.token_count > 0) seen = update.strength(slider);
    }
    CHECK(seen == 0.5f);
    worker.cancel(turn);
    while (!update.ended())
        if (!worker.poll(update)) std::this_thread::yield();
    CHECK(update.finish == steer::Finish::cancelled);
}

TEST_CASE("destroyed in the middle, a worker is gone") {
    const steer::Model model = load();
    for (int delay = 0; delay < 30; delay++) {
        steer::Worker worker = steer::Worker::create(model, talker(model, 0));
        worker.post_tokens(tokens_of(prompt_of(delay, 60)));
        worker.post(std::vector<steer::Message>{{.role = "user", .content = "still there?"}});
        steer::Update update;
        for (int i = 0; i < delay * 20; i++) worker.poll(update);
        steer::Worker moved = std::move(worker);
        moved.poll(update);
    }
}

TEST_CASE("several threads post, poll, cancel and slide at once") {
    const steer::Model model = load();
    const steer::Vector vector = axis_vector(model, 4);
    steer::Session session = talker(model, 20);
    const steer::InjectionId slider = session.add_injection({.vector = &vector, .strength = 0.0f});
    steer::Worker worker = steer::Worker::create(model, std::move(session));
    constexpr uint32_t kTurns = 40;
    std::atomic<bool> done{false};
    std::thread poster([&] {
        for (uint32_t i = 0; i < kTurns; i++) worker.post_tokens(tokens_of(prompt_of(static_cast<int>(i), 12)));
    });
    std::thread slider_thread([&] {
        for (int i = 0; !done; i++) {
            worker.session().set_strength(slider, static_cast<float>(i % 3));
            std::this_thread::yield();
        }
    });
    std::thread canceller([&] {
        for (uint32_t i = 0; !done; i++) {
            worker.cancel(1 + i * 7 % kTurns);
            std::this_thread::yield(); // valgrind runs one thread at a time: this one would hold the lock whenever another runs
        }
    });
    uint32_t ended = 0;
    steer::Update update;
    while (ended < kTurns) {
        if (!worker.poll(update)) {
            std::this_thread::yield();
            continue;
        }
        CHECK(update.turn == ended + 1); // in order
        CHECK(update.error.status == STEER_OK);
        if (update.ended()) ended++;
    }
    done = true;
    for (std::thread* thread : {&poster, &slider_thread, &canceller}) thread->join();
}
