// How far steering may move the choice of a token: the KL budget, on the CPU.
//
// With p the steered row's distribution and q its twin's, both over the same ids, the distributions on the way from q to p
// are  p_l = softmax(log q + l (log p - log q)),  0 <= l <= 1.  KL(p_l || q) grows with l:  d KL / d l = l Var_l(log p - log q),
// the cumulants of an exponential family. The draw is made from the largest l with KL(p_l || q) <= budget.
#pragma once

#include <limits>
#include <span>
#include <vector>

namespace steer {

struct KlOutcome {
    float kl = std::numeric_limits<float>::quiet_NaN(); // nats; of what is drawn from, not above the budget
    float share = 1.0f;                                 // l
};

// steered, twin [vocab]: logits without NaN and +Inf. share 1: steered is to be drawn from as it is; else mixed [vocab] holds the
// logits of p_l, shifted so that none is above 0.
KlOutcome limit_kl(std::span<const float> steered, std::span<const float> twin, float budget, std::vector<float>& mixed);

} // namespace steer
