// Sees a reply collapse, token by token, over its last 32. What is known of sound replies comes from the calibrations of the
// vectors that push; without one only loops and broken text are seen.
//
//   entropy    its running mean over 8 tokens lies above what sound replies have (p99.5) for 4 tokens: word salad
//   surprise   the running mean over 16 tokens of -log p(token) without steering, of two at least, lies above p99 + 1 nat;
//              needs the twin
// Both limits go by how many tokens the mean has seen.
//   length     the reply is four times as long as the calibration's replies were when they ended by themselves
//   loop       the last tokens are one piece of at most 16, three times; of one token, eight times
//   text       two characters of the last 32 tokens' are U+FFFD, or most of its letters are of scripts that the calibration's
//              texts do not use
#pragma once

#include "run/smoothed.h"
#include "steer/calibration.h"
#include "text/scripts.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct GuardLimits { // NaN, or no scripts: not known
    AgeLimits entropy = kNoLimits, surprise = kNoLimits;
    float length = std::numeric_limits<float>::quiet_NaN(); // of replies that ended by themselves
    uint32_t scripts = 0; // a bit for each Script
};

enum class Alarm : uint8_t { none, entropy, surprise, loop, text, length };

struct GuardToken {
    std::string_view text;
    float entropy, surprise; // nats, NaN: unknown
    int32_t number;          // in its reply, from 1 on
};

struct Verdict {
    bool stop = false;
    int32_t withdraw = 0; // the reply's last tokens, the one just drawn counted
};

class Guard {
  public:
    // After each token of a reply. reply: its last tokens, this one included, 48 of them where it has so many.
    Alarm watch(std::span<const int32_t> reply, const GuardToken& said, const GuardLimits& limits);

    // How many of the reply's last tokens belong to what watch has seen: from its onset on.
    int32_t onset() const { return onset_; }

    // What every push is multiplied with; 1: nothing is lowered.
    float factor() const { return factor_; }
    void lower();         // x 0.7, at most once in 8 tokens
    void recover();       // a clean token: 2 % more for each 16 of them, up to 1
    // What a mode (STEER_GUARD_*) makes of it, and the new factor. A reply is taken back four times, then it is stopped.
    Verdict act(int32_t mode, Alarm alarm);

    void begin_turn(); // what was seen is forgotten, the factor stays

  private:
    Alarm look(std::span<const int32_t> reply, const GuardLimits& limits);
    void forget();

    struct Token {
        std::string text;
        bool high_entropy, high_surprise;
    };
    RunningMean entropy_{kEntropyTokens}, surprise_{kSurpriseTokens};
    std::vector<Token> last_; // at most 32
    int32_t onset_ = 0;
    float factor_ = 1.0f;
    int32_t since_lowered_ = INT32_MAX / 2, clean_ = 0, rewinds_ = 0;
};

} // namespace steer
