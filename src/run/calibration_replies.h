// The second half of a calibration: replies at rising strengths, beside a twin. How far one may go, what entropy and surprise
// sound replies have, how fast the gauge rises.
//
// The safe maximum is the largest strength on a grid of 0.15 up to which
//   kl          the 90th percentile over tokens of KL(steered || twin) is at most 0.7 nat
//   perplexity  the twin's perplexity of the replies is at most 1.15 times the larger of those of unsteered replies and of the
//               persona's texts, read as replies to the same prompts
//   ended       not 5 points fewer of the replies end by themselves than of the unsteered
//   script      at least 98 % of the characters are of scripts that the texts use
//   utf8        at most 0.5 % of the characters are U+FFFD
#pragma once

#include "run/extraction.h"
#include "steer/calibration.h"

namespace steer {

// Fills entropy_limits ... safe_rule. vector has rho, scales and response already. Without a prompt in the pairs nothing can be
// asked: all stay unknown. advance: the share of the work that is done.
void measure_replies(const std::shared_ptr<Model>& model, VectorPtr vector, const std::vector<ContrastPair>& pairs, uint64_t seed,
                     Calibration& calibration, const std::function<void(float)>& advance);

} // namespace steer
