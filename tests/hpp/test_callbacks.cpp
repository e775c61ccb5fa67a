// What a callback answers or throws.
#include "host.h"

using namespace host;

namespace {

struct HostsOwn {
    int number;
};

steer::Session talking(const steer::Model& model, int32_t token_max = 6) {
    steer::Session session = steer::Session::create(model);
    session.set_generation(plain(token_max), &model);
    session.set_tokens(0, prompt_of(1, 4));
    return session;
}

} // namespace

TEST_CASE("generate calls back until the turn ends") {
    const steer::Model model = load();
    steer::Session session = talking(model), other = session.fork();
    std::string text;
    int calls = 0;
    session.generate([&](const steer::Step& step) {
        text += step.text();
        calls++;
    });
    CHECK(text == speak(other.get()).text);
    CHECK(calls == 7); // the prompt and six tokens
}

TEST_CASE("a callback may stop the turn") {
    const steer::Model model = load();
    steer::Session session = talking(model);
    int calls = 0;
    auto second = [&](const steer::Step&) mutable { return ++calls == 2 ? steer::Flow::stop : steer::Flow::go_on; };
    session.generate(second);
    CHECK(calls == 2);
    CHECK(session.step().finish() == steer::Finish::cancelled);
}

TEST_CASE("what a callback throws comes out of generate") {
    const steer::Model model = load();
    steer::Session session = talking(model);
    int calls = 0;
    const auto thrower = [&](const steer::Step& step) {
        calls++;
        if (step.token >= 0) throw HostsOwn{42};
    };
    int caught = 0;
    try {
        session.generate(thrower);
    } catch (const HostsOwn& own) {
        caught = own.number;
    }
    CHECK(caught == 42);
    CHECK(calls == 2);
    CHECK(session.info().reply_count == 1); // the token that it was called with is there
    CHECK(session.step().finish() == steer::Finish::cancelled);
    session.set_tokens(-1, std::span<const int32_t>{}); // the next turn is as good as any
    CHECK_FALSE(session.step().finished());
}

TEST_CASE("what a progress function throws comes out of the call") {
    const auto thrower = [](float) -> steer::Flow { throw HostsOwn{7}; };
    CHECK_THROWS_AS(steer::Model::load(folder().path(), {.progress = thrower}), HostsOwn);
    steer::Model model = steer::Model::load(folder().path(), {.residency = steer::Residency::none});
    CHECK_THROWS_AS(model.set_residency(steer::Residency::device, thrower), HostsOwn);
    model.set_residency(steer::Residency::device);
}

TEST_CASE("controls move inside a callback, the conversation is busy") {
    const steer::Model model = load();
    steer::Session session = talking(model);
    const steer::Vector vector = axis_vector(model, 1);
    const steer::InjectionId slider = session.add_injection({.vector = &vector, .strength = 0.0f});
    std::vector<float> seen;
    session.generate([&](const steer::Step& step) {
        if (step.token >= 0) seen.push_back(step.strength(slider));
        session.set_strength(slider, 0.5f * static_cast<float>(seen.size()));
        THROWS(session.step(), STEER_ERR_BUSY, "callback");
    });
    CHECK(seen == std::vector<float>{0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 2.5f});
}

TEST_CASE("a session freed in its callback ends the call") {
    const steer::Model model = load();
    steer::Session session = talking(model);
    THROWS(session.generate([&](const steer::Step&) { session.reset(); }), STEER_ERR_CANCELLED, "freed");
    CHECK_FALSE(session);
}
