// From the logits of a pass to tokens and scores.
#pragma once

#include "model/backend.h"

#include <ATen/core/Tensor.h>

namespace steer {

// logits [logit rows, vocab]
void draw_and_score(const at::Tensor& logits, const Batch& batch, Results& results);

// The same in two steps, of logits in main memory.
void score(const float* logits, size_t vocab, const Batch& batch, Results& results);
void draw(const float* logits, size_t vocab, const Draw& draw, Drawn& drawn);

} // namespace steer
