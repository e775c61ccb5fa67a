// Constrained replies through the C door. The fake backend's logits know nothing of JSON, so what comes out is what the
// constraint lets through; nlohmann's parser says whether it is JSON.
#include "../tree.h"
#include "host.h"

#include <set>
#include <thread>

using namespace host;

namespace {

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string","minLength":1},"mood":{"enum":["happy","照れ"]},
    "age":{"type":"integer","minimum":0,"maximum":120},"friends":{"type":"array","items":{"$ref":"#"},"maxItems":2}},
    "required":["name","mood"],"additionalProperties":false})";

struct Constrained {
    Session session;
    steer_generation_options options = plain_generation();

    explicit Constrained(steer_model* model, const char* schema = kPerson, int32_t context = 0)
        : session(create(model, context)) {
        set_tokens(session, 0, encode(model, "say"));
        options.stop_tokens = nullptr; // the model's
        options.temperature = 3.0f;
        use(schema);
    }
    void use(const char* schema) { // nullptr: any JSON
        options.constraint = schema == nullptr ? STEER_CONSTRAINT_JSON : STEER_CONSTRAINT_JSON_SCHEMA;
        options.constraint_text = {schema, schema == nullptr ? 0 : std::string(schema).size()};
    }
    void apply() { set_generation(session, options); }
    std::vector<Step> finish() { return reply(session, 4000); }
};

bool is_person(const Tree& value) {
    static const std::set<std::string> known{"name", "mood", "age", "friends"};
    if (!value.is_object() || !value.contains("name") || !value["name"].is_string() ||
        value["name"].get<std::string>().empty())
        return false;
    if (!value.contains("mood") || (value["mood"] != "happy" && value["mood"] != "照れ")) return false;
    if (value.contains("age") && !(value["age"].is_number_integer() && value["age"] >= 0 && value["age"] <= 120))
        return false;
    if (value.contains("friends") && !(value["friends"].is_array() && value["friends"].size() <= 2 &&
                                       std::all_of(value["friends"].begin(), value["friends"].end(), is_person)))
        return false;
    return std::all_of(value.items().begin(), value.items().end(),
                       [](const auto& item) { return known.contains(item.key()); });
}

Tree parsed(const std::string& text) {
    INFO(text);
    Tree value;
    REQUIRE_NOTHROW(value = Tree::parse(text));
    return value;
}

int32_t finish_of(const std::vector<Step>& steps) { return steps.back().c.finish; }

} // namespace

TEST_CASE("whatever the model would rather say, the reply is a whole value of the schema") {
    Model model = load();
    Constrained one(model);
    std::set<int32_t> finishes;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        one.options.seed = seed;
        one.options.token_max = static_cast<int32_t>(40 + seed % 50);
        one.options.top_k = seed % 3 == 0 ? 1 + static_cast<int32_t>(seed % 7) : 0;
        one.options.temperature = std::array{0.0f, 1.0f, 30.0f}[seed % 3];
        one.apply();
        set_tokens(one.session, 0, encode(model, "say" + std::to_string(seed)));
        const auto steps = one.finish();
        const std::string text = text_of(steps);
        CHECK(is_person(parsed(text)));
        finishes.insert(finish_of(steps));
    }
    CHECK(finishes == std::set<int32_t>{STEER_FINISH_STOP_TOKEN, STEER_FINISH_TOKEN_MAX});
}

TEST_CASE("any JSON, down to a single token") {
    Model model = load();
    Constrained one(model, nullptr);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        one.options.seed = seed;
        one.options.token_max = static_cast<int32_t>(1 + seed % 30);
        one.apply();
        set_tokens(one.session, 0, encode(model, "value" + std::to_string(seed)));
        const auto steps = one.finish();
        parsed(text_of(steps));
        CHECK((finish_of(steps) == STEER_FINISH_STOP_TOKEN || finish_of(steps) == STEER_FINISH_TOKEN_MAX));
    }
}

TEST_CASE("a full context closes the value in time") {
    Model model = load();
    Constrained one(model, kPerson, 48);
    one.apply();
    for (int turn = 0; turn < 10; turn++) {
        set_tokens(one.session, 0, encode(model, std::string(static_cast<size_t>(turn % 3 + 1), 'x')));
        const auto steps = one.finish();
        CHECK(is_person(parsed(text_of(steps))));
        CHECK((finish_of(steps) == STEER_FINISH_STOP_TOKEN || finish_of(steps) == STEER_FINISH_CONTEXT_FULL));
    }
}

TEST_CASE("limits that no value may fit into are refused in words") {
    Model model = load();
    Constrained one(model);
    one.options.token_max = 5;
    FAILS(steer_session_set_generation(one.session, &one.options, &err), STEER_ERR_ARG, "token_max is 5");
    one.options.token_max = 0;
    one.apply();
    Constrained narrow(model, kPerson, 16);
    narrow.apply();
    step(narrow.session); // the prompt
    steer_step out;
    FAILS(steer_session_step(narrow.session, &out, sizeof out, &err), STEER_ERR_CONTEXT_FULL,
          "the context leaves 13 tokens");
    CHECK(info(narrow.session).reply_count == 0);
    narrow.use(R"({"enum":["xy"]})"); // four tokens and the quotes' own
    narrow.apply();
    CHECK(text_of(narrow.finish()) == "\"xy\"");
}

TEST_CASE("stop tokens only where the value is whole, control tokens never, padding never") {
    Model model = load();
    Constrained one(model);
    const steer_logit_bias wish[] = {{tiny::kImEnd, 1e6f}, {tiny::kImStart, 1e5f}, {tiny::kVocabulary - 1, 1e5f}};
    one.options.biases = wish;
    one.options.bias_count = 3;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        one.options.seed = seed;
        one.apply();
        set_tokens(one.session, 0, encode(model, "say"));
        const auto steps = one.finish();
        CHECK(finish_of(steps) == STEER_FINISH_STOP_TOKEN);
        CHECK(steps.back().c.token == tiny::kImEnd);
        for (const Step& step : steps)
            CHECK(step.c.token < (&step == &steps.back() ? tiny::kVocabulary : tiny::kEndOfText));
        CHECK(is_person(parsed(text_of(steps))));
        // Nothing is left: no token, and it stays so until the next turn.
        const Step after = step(one.session);
        CHECK(after.c.finish == STEER_FINISH_DEAD_END);
        CHECK(after.c.token == -1);
    }
}

TEST_CASE("without stop tokens the value's last token ends the turn") {
    Model model = load();
    Constrained one(model);
    static const int32_t none = 0;
    one.options.stop_tokens = &none;
    one.options.stop_token_count = 0;
    one.apply();
    const auto steps = one.finish();
    CHECK(finish_of(steps) == STEER_FINISH_STOP_TOKEN);
    CHECK(steps.back().bytes.back() == '}');
    CHECK(is_person(parsed(text_of(steps))));
    CHECK(step(one.session).c.finish == STEER_FINISH_DEAD_END);
}

TEST_CASE("biases that leave nothing are a dead end, not an error") {
    Model model = load();
    Constrained one(model, R"({"const":"ab"})");
    const steer_logit_bias never[] = {{'b', -INFINITY}};
    one.options.biases = never;
    one.options.bias_count = 1;
    one.apply();
    const auto steps = one.finish();
    CHECK(text_of(steps) == "\"a");
    CHECK(finish_of(steps) == STEER_FINISH_DEAD_END);
    one.options.bias_count = 0;
    one.apply();
    CHECK(text_of(one.finish()) == "b\""); // it goes on where it stood
}

TEST_CASE("a token_max lowered in the middle is a dead end where the value cannot be closed any more") {
    Model model = load();
    Constrained one(model, R"({"anyOf":[{"const":"abcdefghijklmnop"},{"const":1}]})");
    const steer_logit_bias text[] = {{'"', 1e6f}};
    one.options.biases = text;
    one.options.bias_count = 1;
    one.apply();
    CHECK(text_of(reply(one.session, 4)) == "\"abc");
    one.options.token_max = 6;
    one.apply();
    CHECK(step(one.session).c.finish == STEER_FINISH_DEAD_END);
    one.options.token_max = 0;
    one.apply();
    CHECK(text_of(one.finish()) == "defghijklmnop\"");
}

TEST_CASE("what was given is no part of the value; what was sampled before a rewind neither") {
    Model model = load();
    Constrained one(model);
    one.apply();
    set_tokens(one.session, 0, encode(model, "<think>{[\"")); // a reply's own beginning
    CHECK(is_person(parsed(text_of(one.finish()))));
    set_tokens(one.session, -1, encode(model, "more")); // the next turn
    const auto half = reply(one.session, 6);
    CHECK(half.back().c.finish == STEER_FINISH_NONE);
    set_tokens(one.session, 5, {});
    CHECK(is_person(parsed(text_of(one.finish()))));
}

TEST_CASE("a fork goes on with the value") {
    Model model = load();
    Constrained one(model);
    one.apply();
    const std::string begun = text_of(reply(one.session, 9));
    Session fork;
    OK(steer_session_fork(one.session, fork.out(), &err));
    const std::string rest = text_of(one.finish());
    CHECK(text_of(reply(fork, 4000)) == rest);
    CHECK(is_person(parsed(begun + rest)));
    one.options.seed = 99;
    set_tokens(one.session, 0, encode(model, "say"));
    one.apply();
    const std::string start = text_of(reply(one.session, 9));
    Session other;
    OK(steer_session_fork(one.session, other.out(), &err));
    one.options.seed = 100;
    set_generation(other, one.options);
    CHECK(is_person(parsed(start + text_of(reply(other, 4000)))));
}

TEST_CASE("saved in the middle, the value goes on; settings may come before or after") {
    Model model = load();
    Constrained one(model);
    one.apply();
    const std::string begun = text_of(reply(one.session, 12));
    std::string state(1 << 20, '\0');
    size_t size = 0;
    OK(steer_session_state_save(one.session, 0, state.data(), state.size(), &size, &err));
    const std::string rest = text_of(one.finish());
    for (const bool settings_first : {true, false}) {
        Session restored = create(model);
        if (settings_first) set_generation(restored, one.options);
        OK(steer_session_state_load(restored, state.data(), size, &err));
        if (!settings_first) set_generation(restored, one.options);
        CHECK(text_of(reply(restored, 4000)) == rest);
    }
    // A reply that does not fit stands before the value.
    Session foreign = create(model);
    Constrained number(model, R"({"type":"integer","maximum":-5})");
    set_generation(foreign, number.options);
    OK(steer_session_state_load(foreign, state.data(), size, &err));
    CHECK(parsed(text_of(reply(foreign, 4000))).get<int64_t>() <= -5);
}

TEST_CASE("the same constraint again goes on, another one begins") {
    Model model = load();
    Constrained one(model);
    one.apply();
    std::string text = text_of(reply(one.session, 5));
    one.options.temperature = 0.5f;
    one.options.seed = 3;
    const std::string copy = kPerson; // other memory
    one.use(copy.c_str());
    one.apply();
    text += text_of(one.finish());
    CHECK(is_person(parsed(text)));

    set_tokens(one.session, 0, encode(model, "say"));
    CHECK(reply(one.session, 5).back().c.finish == STEER_FINISH_NONE);
    one.use(R"({"const":[1]})");
    one.apply();
    CHECK(parsed(text_of(one.finish())) == Tree::parse("[1]"));
}

TEST_CASE("log-probabilities are those of the raw logits") {
    Model model = load();
    Constrained one(model);
    one.apply();
    const auto steps = reply(one.session, 6);
    Session scored = create(model);
    steer_generation_options options = plain_generation();
    options.prompt_log_probs = 1;
    set_generation(scored, options);
    auto ids = list(one.session);
    ids.push_back('x');
    set_tokens(scored, 0, ids);
    const Step prompt = step(scored);
    const auto tokens = tokens_of(steps);
    const size_t begin = ids.size() - 1 - tokens.size();
    size_t i = 0;
    for (const Step& one_step : steps)
        if (one_step.c.token >= 0)
            CHECK(one_step.c.log_prob == Approx(prompt.prompt_log_probs[begin + i++]).margin(1e-5));
    CHECK(i == 6);
}

TEST_CASE("sessions of several threads share a constraint") {
    Model model = load();
    std::vector<std::string> texts(4);
    std::vector<Constrained> sessions;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < texts.size(); i++) {
        sessions.emplace_back(model).options.seed = 11;
        sessions.back().apply();
    }
    for (size_t i = 0; i < texts.size(); i++) // Catch2's macros are for one thread: what came is looked at below
        threads.emplace_back([&, i] {
            const auto add = [](void* to, const steer_step* step) -> int32_t {
                static_cast<std::string*>(to)->append(step->text.data, step->text.size);
                return 0;
            };
            (void)steer_session_generate(sessions[i].session, add, &texts[i], nullptr);
        });
    for (std::thread& thread : threads) thread.join();
    for (const std::string& text : texts) CHECK(text == texts[0]);
    CHECK(is_person(parsed(texts[0])));
}

TEST_CASE("what a constraint cannot be is refused in words") {
    Model model = load();
    Constrained one(model);
    const auto refuse = [&](steer_status status, const char* words) {
        steer_error err{};
        CHECK(steer_session_set_generation(one.session, &one.options, &err) == status);
        CHECK_THAT(err.message, Catch::Contains(words));
    };
    one.use(R"({"type":"object","properties":{"a":{"multipleOf":3}}})");
    refuse(STEER_ERR_UNSUPPORTED, "#/properties/a/multipleOf");
    one.use("{\"type\":");
    refuse(STEER_ERR_FORMAT, "constraint_text");
    one.use(kPerson);
    one.options.constraint = STEER_CONSTRAINT_JSON;
    refuse(STEER_ERR_ARG, "constraint_text is given");
    one.options.constraint = STEER_CONSTRAINT_JSON_SCHEMA;
    one.options.constraint_text = {nullptr, 0};
    refuse(STEER_ERR_ARG, "constraint_text is absent");
    one.use(kPerson);
    const steer_view stop{"\n", 1};
    one.options.stop_texts = &stop;
    one.options.stop_text_count = 1;
    refuse(STEER_ERR_ARG, "stop_texts");
    one.options.stop_text_count = 0;
    one.apply();
}
