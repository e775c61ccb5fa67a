// How replies end and what of them is shown. A bias large enough makes the model say what the test wants.
#include "host.h"

using namespace host;

namespace {

struct Script { // steps that say given tokens
    Session session;
    steer_generation_options options = plain_generation();

    explicit Script(steer_model* model, int32_t context = 0) : session(create(model, context)) {
        set_tokens(session, 0, encode(model, "say"));
        set_generation(session, options);
        step(session); // the prompt
    }
    Step say(int32_t token) {
        const steer_logit_bias bias{token, 1e6f};
        options.biases = &bias;
        options.bias_count = 1;
        set_generation(session, options);
        const Step one = step(session);
        options.bias_count = 0;
        return one;
    }
    std::vector<Step> say(const std::string& bytes) {
        std::vector<Step> steps;
        for (const char byte : bytes) {
            steps.push_back(say(static_cast<uint8_t>(byte)));
            REQUIRE(steps.back().bytes == std::string(1, byte));
            if (steps.back().c.finish != STEER_FINISH_NONE) break;
        }
        return steps;
    }
    void stop_at(std::vector<steer_view> texts) {
        stops = std::move(texts);
        options.stop_texts = stops.data();
        options.stop_text_count = stops.size();
    }
    std::vector<steer_view> stops;
};

} // namespace

TEST_CASE("characters are whole, gauges come with every token") {
    Model model = load();
    Script script(model);
    Vector vector = axis_vector(model, 0);
    gauge(script.session, vector, 1);
    const auto steps = script.say("aあ😀!");
    std::vector<std::string> texts;
    for (const Step& one : steps) {
        texts.push_back(one.text);
        REQUIRE(one.gauges.size() == 1);
        CHECK(std::isfinite(one.gauges[0]));
        CHECK(((one.c.flags & STEER_STEP_TEXT_HELD) != 0) == (one.text.empty()));
    }
    CHECK(texts == std::vector<std::string>{"a", "", "", "あ", "", "", "", "😀", "!"});
}

TEST_CASE("a broken character is one replacement character") {
    Model model = load();
    Script script(model);
    script.options.token_max = 3;
    const auto steps = script.say("x\xe3\x81");
    CHECK(text_of(steps) == "x\xef\xbf\xbd");
    CHECK(steps.back().c.finish == STEER_FINISH_TOKEN_MAX);
    CHECK((steps.back().c.flags & STEER_STEP_TEXT_HELD) == 0);
}

TEST_CASE("a stop text never leaks, wherever tokens cut it") {
    Model model = load();
    Script script(model);
    script.stop_at({{"STOP", 4}, {"<end>", 5}});
    const auto steps = script.say("hi ST STOQ <en STOPxx");
    CHECK(text_of(steps) == "hi ST STOQ <en ");
    CHECK(steps.back().c.finish == STEER_FINISH_STOP_TEXT);
    CHECK(steps.back().bytes == "P");
    const auto ids = list(script.session);
    CHECK(ids.back() == 'P'); // the list keeps it
    for (const Step& one : steps) CHECK(one.text.find("STOP") == std::string::npos);
    // After the finish the conversation may go on.
    CHECK(text_of(script.say("yes")) == "yes");
}

TEST_CASE("what waited for a stop text comes out at another end") {
    Model model = load();
    Script script(model);
    script.stop_at({{"STOP", 4}});
    auto steps = script.say("abST");
    CHECK(text_of(steps) == "ab");
    CHECK((steps.back().c.flags & STEER_STEP_TEXT_HELD) != 0);

    SECTION("token_max") {
        script.options.token_max = 5;
        const Step last = script.say(static_cast<int32_t>('O'));
        CHECK(last.c.finish == STEER_FINISH_TOKEN_MAX);
        CHECK(last.text == "STO");
    }
    SECTION("a stop token, whose own text is not shown") {
        script.options.stop_tokens = &tiny::kImEnd;
        script.options.stop_token_count = 1;
        const Step last = script.say(tiny::kImEnd);
        CHECK(last.c.finish == STEER_FINISH_STOP_TOKEN);
        CHECK(last.text == "ST");
        CHECK(last.bytes == "<|im_end|>");
    }
    SECTION("cancel") {
        steer_session_cancel(script.session, 0);
        const Step last = step(script.session);
        CHECK(last.c.finish == STEER_FINISH_CANCELLED);
        CHECK(last.c.token == -1);
        CHECK(last.text == "ST");
        CHECK(step(script.session).c.finish == STEER_FINISH_CANCELLED); // until the next turn
        CHECK(step(script.session).text.empty());
        const uint32_t turn = set_tokens(script.session, -1, {'?'});
        steer_session_cancel(script.session, turn - 1); // a turn that is over
        CHECK(step(script.session).c.finish == STEER_FINISH_NONE);
    }
    SECTION("other stop texts") {
        script.stop_at({{"Q", 1}});
        CHECK(text_of(script.say("OP!")) == "STOP!");
    }
    SECTION("saved, loaded, and finished there") {
        size_t size = 0;
        OK(steer_session_state_save(script.session, 0, nullptr, 0, &size, &err));
        std::string state(size, '\0');
        OK(steer_session_state_save(script.session, 0, state.data(), size, &size, &err));
        Script other(model);
        other.stop_at({{"STOP", 4}});
        set_generation(other.session, other.options);
        OK(steer_session_state_load(other.session, state.data(), size, &err));
        while ((step(other.session).c.flags & STEER_STEP_PROMPT) == 0) {}
        CHECK(text_of(other.say("OP")).empty());
    }
}

TEST_CASE("control tokens are in bytes, not in text") {
    Model model = load();
    Script script(model);
    const Step one = script.say(tiny::kImStart);
    CHECK(one.bytes == "<|im_start|>");
    CHECK(one.text.empty());
    CHECK(one.c.finish == STEER_FINISH_NONE);
}

TEST_CASE("the model's own stop tokens are the default") {
    Model model = load();
    Script script(model);
    script.options.stop_tokens = nullptr;
    CHECK(script.say(tiny::kImEnd).c.finish == STEER_FINISH_STOP_TOKEN);
    steer_generation_options own;
    steer_generation_options_init(&own, sizeof own, model);
    CHECK(own.temperature == Approx(0.8f));
    CHECK(own.top_p == Approx(0.95f));
    CHECK(own.stop_tokens == nullptr);
    steer_generation_options_init(&own, sizeof own, nullptr);
    CHECK(own.temperature == 1.0f);
}

TEST_CASE("a full context ends the turn and holds") {
    Model model = load();
    Script script(model, 8);
    const auto steps = script.say("abcdefgh");
    CHECK(steps.size() == 5); // "say" is 3 tokens
    CHECK(steps.back().c.finish == STEER_FINISH_CONTEXT_FULL);
    CHECK(text_of(steps) == "abcde");
    const Step held = step(script.session);
    CHECK(held.c.finish == STEER_FINISH_CONTEXT_FULL);
    CHECK(held.c.token == -1);
    const int32_t more = 'x';
    FAILS(steer_session_set_tokens(script.session, -1, &more, nullptr, 1, nullptr, &err), STEER_ERR_CONTEXT_FULL, "8");
    set_tokens(script.session, 4, {});
    CHECK(step(script.session).c.finish == STEER_FINISH_NONE);
}

TEST_CASE("a token limit is per turn, and a step after it goes on") {
    Model model = load();
    Script script(model);
    script.options.token_max = 2;
    CHECK(script.say("abc").size() == 2);
    CHECK(script.say(static_cast<int32_t>('c')).c.finish == STEER_FINISH_TOKEN_MAX);
    set_tokens(script.session, -1, {'!'});
    CHECK(info(script.session).reply_count == 0);
    step(script.session); // the last token and the new one's prompt
    CHECK(script.say("abc").size() == 2);
}

TEST_CASE("sentence ends are flagged") {
    Model model = load();
    Script script(model);
    std::string ends;
    for (const Step& one : script.say("Pi is 3.14. Yes! そう。次"))
        if ((one.c.flags & STEER_STEP_SENTENCE_END) != 0) ends += one.text;
    CHECK(ends == " ! 。"); // not the point of 3.14, nor the next before a space has come
}

TEST_CASE("padding of the vocabulary is never sampled, not even when asked for") {
    Model model = load();
    Script script(model);
    const Step one = script.say(tiny::kVocabulary - 1);
    CHECK(one.c.token < tiny::kRealVocabulary);
}

TEST_CASE("prompt log-probabilities are those of the same tokens sampled") {
    Model model = load();
    Script script(model);
    const auto replied = script.say("sea");
    Session session = create(model, 0, GENERATE(2, 100));
    steer_generation_options options = plain_generation();
    options.prompt_log_probs = 1;
    options.top_log_probs = 4;
    set_generation(session, options);
    set_tokens(session, 0, list(script.session));
    std::vector<float> scores;
    while (scores.size() < 6) {
        const Step one = step(session);
        REQUIRE((one.c.flags & STEER_STEP_PROMPT) != 0);
        REQUIRE(one.top.size() == one.prompt_log_probs.size() * 4);
        for (size_t i = 0; i < one.prompt_log_probs.size(); i++) {
            scores.push_back(one.prompt_log_probs[i]);
            if (!std::isnan(scores.back())) CHECK(one.top[i * 4].log_prob >= scores.back());
        }
    }
    REQUIRE(scores.size() == 6);
    CHECK(std::isnan(scores[0]));
    for (size_t i = 0; i < 3; i++) CHECK(scores[3 + i] == Approx(replied[i].c.log_prob).margin(1e-6));
}

TEST_CASE("generate calls back with every step until the turn ends") {
    Model model = load();
    Session session = create(model);
    steer_generation_options options = plain_generation();
    options.token_max = 10;
    set_generation(session, options);
    set_tokens(session, 0, encode(model, "hello there"));
    struct Seen {
        int calls = 0, tokens = 0, stop_after = 100;
        int32_t finish = 0;
    };
    const auto see = [](void* user, const steer_step* one) -> int32_t {
        auto& seen = *static_cast<Seen*>(user);
        seen.calls++;
        seen.tokens += one->token >= 0;
        seen.finish = one->finish;
        return seen.tokens >= seen.stop_after;
    };
    Seen seen;
    OK(steer_session_generate(session, see, &seen, &err));
    CHECK(seen.calls == 11);
    CHECK(seen.finish == STEER_FINISH_TOKEN_MAX);
    set_tokens(session, -1, {'a'});
    Seen stopped;
    stopped.stop_after = 3;
    OK(steer_session_generate(session, see, &stopped, &err));
    CHECK(stopped.tokens == 3);
    CHECK(step(session).c.finish == STEER_FINISH_CANCELLED);
}
