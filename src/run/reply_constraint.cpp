#include "run/reply_constraint.h"

#include "files/error.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

bool holds(std::span<const int32_t> tokens, int32_t token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

} // namespace

ReplyConstraint::ReplyConstraint(const constraint::ConstraintPtr& constraint) {
    if (constraint) document_.emplace(constraint);
}

bool ReplyConstraint::is(const constraint::ConstraintPtr& constraint) const {
    if (!document_ || !constraint) return !document_ && !constraint;
    return document_->constraint().text() == constraint->text();
}

void ReplyConstraint::replay(const Tokenizer& tokenizer, std::span<const int32_t> reply,
                             std::span<const int32_t> stop_tokens) {
    if (!document_) return;
    const constraint::Document fresh = *document_;
    for (const int32_t token : reply) {
        ended_ = document_->complete() && holds(stop_tokens, token);
        if (ended_) return;
        if (tokenizer.is_control(token) || !document_->accept(tokenizer.token_bytes(token))) {
            document_ = fresh;
            return;
        }
    }
}

int32_t ReplyConstraint::choose(const TokensLeft& left, const Generation& generation, std::vector<uint32_t>& allowed) {
    if (ended_) return STEER_FINISH_DEAD_END;
    // After a finish the turn may go on, a token at a time.
    const int32_t count = std::max(1, std::min(left.by_context, left.by_token_max));
    document_->allow(count, allowed);
    const auto set = [&](int32_t token, bool on) {
        const auto at = static_cast<size_t>(token);
        if (at / 32 >= allowed.size()) return; // padding
        if (on)
            allowed[at / 32] |= 1u << at % 32;
        else
            allowed[at / 32] &= ~(1u << at % 32);
    };
    for (const int32_t token : generation.stop_tokens) set(token, document_->complete());
    for (const LogitBias& bias : generation.sampling.biases)
        if (std::isinf(bias.bias)) set(bias.token, false);
    if (std::any_of(allowed.begin(), allowed.end(), [](uint32_t bits) { return bits != 0; })) return STEER_FINISH_NONE;

    const uint32_t needed = document_->tokens_to_end();
    if (!document_->begun() && int64_t{needed} > count) {
        const bool by_context = left.by_context <= left.by_token_max;
        fail(by_context ? STEER_ERR_CONTEXT_FULL : STEER_ERR_ARG,
             "{} leaves {} tokens, the shortest text that the constraint allows takes up to {}",
             by_context ? "the context" : "token_max", count, needed);
    }
    if (!document_->complete()) return STEER_FINISH_DEAD_END; // forbidden by biases, or token_max was lowered meanwhile
    ended_ = true;
    return STEER_FINISH_STOP_TOKEN;
}

bool ReplyConstraint::take(const Tokenizer& tokenizer, int32_t token, const Generation& generation,
                           std::span<const uint32_t> allowed) {
    const auto at = static_cast<size_t>(token);
    if (at / 32 >= allowed.size() || (allowed[at / 32] >> at % 32 & 1) == 0)
        fail(STEER_ERR_INTERNAL, "the backend drew token {}, which the constraint does not allow", token);
    if (holds(generation.stop_tokens, token)) return ended_ = true, false;
    if (!document_->accept(tokenizer.token_bytes(token)))
        fail(STEER_ERR_INTERNAL, "token {} was allowed by the constraint, which does not take it", token);
    if (!document_->complete() || document_->can_go_on() || !generation.stop_tokens.empty()) return false;
    return ended_ = true;
}

} // namespace steer
