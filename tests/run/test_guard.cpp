// What the guard sees and what it lets pass, token by token.
#include "run/guard.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <limits>

using namespace steer;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Talk {
    Guard guard;
    GuardLimits limits;
    std::vector<int32_t> reply;
    int32_t next = 100;

    Alarm say(int32_t token, const char* text = "a", float entropy = 0.5f, float surprise = kNaN) {
        reply.push_back(token);
        return guard.watch(reply, {text, entropy, surprise, static_cast<int32_t>(reply.size())}, limits);
    }
    Alarm say_new(const char* text = "a", float entropy = 0.5f, float surprise = kNaN) { return say(next++, text, entropy, surprise); }
};

} // namespace

TEST_CASE("a loop is seen at its third time, of one token at its eighth", "[guard]") {
    for (int32_t period = 1; period <= 17; period++) {
        Talk talk;
        for (int i = 0; i < 5; i++) CHECK(talk.say_new() == Alarm::none);
        int32_t said = 0;
        Alarm alarm = Alarm::none;
        while (alarm == Alarm::none && said < 100) alarm = talk.say(said++ % period);
        INFO(period);
        if (period > 16) {
            CHECK(alarm == Alarm::none);
            continue;
        }
        CHECK(alarm == Alarm::loop);
        CHECK(said == (period == 1 ? 8 : 3 * period));
        CHECK(talk.guard.onset() == said);
    }
}

TEST_CASE("entropy must stay high for four tokens", "[guard]") {
    Talk talk;
    talk.limits.entropy.fill(2.0f);
    for (int i = 0; i < 20; i++) CHECK(talk.say_new("a", 1.9f) == Alarm::none);
    CHECK(talk.say_new("a", 30.0f) == Alarm::none); // one token is no salad
    int high = 1;
    while (talk.say_new("a", 3.0f) == Alarm::none) REQUIRE(++high < 20);
    CHECK(high >= 3);
    CHECK(talk.guard.onset() > high);
    Talk unknown;
    for (int i = 0; i < 40; i++) CHECK(unknown.say_new("a", 9.0f) == Alarm::none);
}

TEST_CASE("surprise may lie a nat above the limit", "[guard]") {
    Talk talk;
    talk.limits.surprise.fill(2.0f);
    for (int i = 0; i < 40; i++) CHECK(talk.say_new("a", 0.5f, 2.9f) == Alarm::none);
    int count = 0;
    while (talk.say_new("a", 0.5f, 6.0f) == Alarm::none) REQUIRE(++count < 20);
    Talk early; // by how many tokens are seen: the first words are the least certain
    early.limits.surprise = {9.0f, 5.0f, 3.0f, 2.0f, 1.0f};
    CHECK(early.say_new("a", 0.5f, 20.0f) == Alarm::none); // one odd word is none
    Talk started;
    started.limits.surprise = {9.0f, 5.0f, 3.0f, 2.0f, 1.0f};
    for (int i = 1; i <= 3; i++) CHECK(started.say_new("a", 0.5f, 5.9f) == Alarm::none);
    CHECK(started.say_new("a", 0.5f, 5.9f) == Alarm::surprise); // the fourth: above 3 + 1
    Talk alone;
    alone.limits.surprise.fill(2.0f);
    for (int i = 0; i < 40; i++) CHECK(alone.say_new() == Alarm::none); // no twin: not known
}

TEST_CASE("an end is overdue at four times the length of what ended", "[guard]") {
    Talk talk;
    talk.limits.length = 10.0f;
    for (int i = 0; i < 40; i++) CHECK(talk.say_new() == Alarm::none);
    CHECK(talk.say_new() == Alarm::length);
    Talk unknown;
    for (int i = 0; i < 200; i++) CHECK(unknown.say_new() == Alarm::none);
}

TEST_CASE("broken characters and another script are seen", "[guard]") {
    Talk talk;
    CHECK(talk.say_new("\xEF\xBF\xBD") == Alarm::none);
    CHECK(talk.say_new("\xEF\xBF\xBD") == Alarm::text);
    Talk wandering;
    wandering.limits.scripts = 1u << static_cast<int>(Script::kana) | 1u << static_cast<int>(Script::han);
    for (int i = 0; i < 8; i++) CHECK(wandering.say_new("\xE3\x81\x82") == Alarm::none);
    int count = 0;
    while (wandering.say_new("\xD0\x96") == Alarm::none) REQUIRE(++count < 20);
    CHECK(count == 8); // when they are the more
    Talk unknown;
    for (int i = 0; i < 20; i++) CHECK(unknown.say_new("\xD0\x96") == Alarm::none);
}

TEST_CASE("lowering is bounded in time and is taken back slowly", "[guard]") {
    Talk talk;
    talk.say_new();
    talk.guard.lower();
    CHECK(talk.guard.factor() == Approx(0.7f));
    for (int i = 0; i < 7; i++) talk.say_new(), talk.guard.lower();
    CHECK(talk.guard.factor() == Approx(0.7f));
    talk.say_new(), talk.guard.lower();
    CHECK(talk.guard.factor() == Approx(0.49f));
    for (int i = 0; i < 15; i++) talk.guard.recover();
    CHECK(talk.guard.factor() == Approx(0.49f));
    talk.guard.recover();
    CHECK(talk.guard.factor() == Approx(0.51f));
    for (int i = 0; i < 16 * 100; i++) talk.guard.recover();
    CHECK(talk.guard.factor() == 1.0f);
}

TEST_CASE("scripts are told apart", "[guard]") {
    ScriptCount count;
    count_scripts("Hi! \xE3\x81\x82\xE3\x83\xBC\xE6\xBC\xA2 \xD0\x96 42 \xFF", count);
    CHECK(count.characters[static_cast<size_t>(Script::latin)] == 2);
    CHECK(count.characters[static_cast<size_t>(Script::kana)] == 1);
    CHECK(count.characters[static_cast<size_t>(Script::han)] == 1);
    CHECK(count.characters[static_cast<size_t>(Script::cyrillic_greek)] == 1);
    CHECK(count.characters[static_cast<size_t>(Script::common)] == 8);
    CHECK(count.broken == 1);
}
