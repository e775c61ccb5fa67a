#include "run/guard.h"

#include "steer/steer.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

constexpr size_t kTokens = 32, kHighTokens = 4;
constexpr int32_t kSurpriseLeast = 2; // one odd word is none
constexpr size_t kPeriodMost = 16, kRepeats = 3, kSameTokens = 8;
constexpr float kSurpriseSlack = 1.0f; // nats
constexpr float kOverdue = 4.0f;
constexpr uint64_t kBrokenMost = 1, kLettersLeast = 4;
constexpr float kLower = 0.7f, kRecover = 0.02f;
constexpr int32_t kLowerEvery = 8, kRecoverEvery = 16, kRewindsMost = 4;

bool repeats(std::span<const int32_t> reply, size_t period, size_t times) {
    if (reply.size() < period * times) return false;
    const auto tail = reply.last(period * times);
    for (size_t i = period; i < tail.size(); i++)
        if (tail[i] != tail[i - period]) return false;
    return true;
}

// How many tokens the loop at the end takes; 0: there is none.
size_t loop_length(std::span<const int32_t> reply) {
    for (size_t period = 1; period <= kPeriodMost; period++) {
        const size_t times = period == 1 ? kSameTokens : kRepeats;
        if (repeats(reply, period, times)) return period * times;
        if (period == 1 && repeats(reply, 1, 2)) return 0; // one token said again: www, not yet too often
    }
    return 0;
}

bool is_foreign(const ScriptCount& seen, uint32_t known) {
    uint64_t within = 0, without = 0;
    for (size_t script = 1; script < kScripts; script++) (known >> script & 1 ? within : without) += seen.characters[script];
    return without >= kLettersLeast && without > within;
}

} // namespace

Alarm Guard::watch(std::span<const int32_t> reply, const GuardToken& said, const GuardLimits& limits) {
    since_lowered_++;
    if (last_.size() == kTokens) last_.erase(last_.begin());
    Token token{std::string(said.text), false, false};
    if (!std::isnan(said.entropy)) {
        const float mean = entropy_.push(said.entropy);
        token.high_entropy = mean > limits.entropy[age_of(entropy_.count())]; // NaN: never
    }
    if (!std::isnan(said.surprise)) {
        const float mean = surprise_.push(said.surprise);
        token.high_surprise = surprise_.count() >= kSurpriseLeast && mean > limits.surprise[age_of(surprise_.count())] + kSurpriseSlack;
    }
    last_.push_back(std::move(token));
    const Alarm alarm = look(reply, limits);
    return alarm == Alarm::none && static_cast<float>(said.number) > kOverdue * limits.length ? Alarm::length : alarm;
}

Alarm Guard::look(std::span<const int32_t> reply, const GuardLimits& limits) {
    if (const size_t length = loop_length(reply); length > 0) {
        onset_ = static_cast<int32_t>(length); // all of it: what stands in the context goes on by itself
        return Alarm::loop;
    }
    const auto trailing = [&](bool Token::*high) {
        const auto calm = std::find_if(last_.rbegin(), last_.rend(), [&](const Token& token) { return !(token.*high); });
        return static_cast<size_t>(calm - last_.rbegin());
    };
    if (const size_t high = trailing(&Token::high_entropy); high >= kHighTokens) {
        onset_ = static_cast<int32_t>(std::min(high + kEntropyTokens, last_.size())); // the mean is late by its own length
        return Alarm::entropy;
    }
    if (const size_t high = trailing(&Token::high_surprise); high > 0) {
        onset_ = static_cast<int32_t>(std::min(high + kSurpriseTokens, last_.size()));
        return Alarm::surprise;
    }
    ScriptCount seen;
    for (const Token& token : last_) count_scripts(token.text, seen);
    onset_ = static_cast<int32_t>(last_.size());
    return seen.broken > kBrokenMost || (limits.scripts != 0 && is_foreign(seen, limits.scripts)) ? Alarm::text : Alarm::none;
}

void Guard::lower() {
    clean_ = 0;
    if (since_lowered_ < kLowerEvery) return;
    factor_ *= kLower;
    since_lowered_ = 0;
}

void Guard::recover() {
    if (++clean_ % kRecoverEvery == 0) factor_ = std::min(1.0f, factor_ + kRecover);
}

Verdict Guard::act(int32_t mode, Alarm alarm) {
    const bool lowers = mode == STEER_GUARD_LOWER || mode == STEER_GUARD_REWIND;
    if (alarm == Alarm::none) {
        if (lowers) recover();
        return {};
    }
    if (lowers) lower();
    if (mode == STEER_GUARD_STOP) return {true, 0};
    if (mode != STEER_GUARD_REWIND) return {};
    if (rewinds_++ == kRewindsMost) return {true, 0};
    forget(); // what the means hold is the collapse
    return {false, onset_};
}

void Guard::begin_turn() {
    forget();
    rewinds_ = 0;
}

void Guard::forget() {
    entropy_.clear();
    surprise_.clear();
    last_.clear();
}

} // namespace steer
