// Where a reply stands in the constraint that it is under, and what may come next.
#pragma once

#include "run/generation.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace steer {

class ReplyConstraint {
  public:
    ReplyConstraint() = default;
    // What is sampled from now on is under it; nullptr: under none.
    explicit ReplyConstraint(const constraint::ConstraintPtr& constraint);

    bool is(const constraint::ConstraintPtr& constraint) const; // that which it is under, or one like it
    // A reply that was sampled elsewhere goes on. Where it does not fit the constraint begins behind it.
    void replay(const Tokenizer& tokenizer, std::span<const int32_t> reply, std::span<const int32_t> stop_tokens);

    bool active() const { return document_.has_value(); }

    struct TokensLeft { // the one to be drawn counted
        int32_t by_context, by_token_max;
    };
    // Finds what may be drawn, a bit for each token, so that the value can be closed within what is left, and gives
    // back STEER_FINISH_NONE; else why the turn ends here. Throws where no value at all fits.
    int32_t choose(const TokensLeft& left, const Generation& generation, std::vector<uint32_t>& allowed);

    // A token that was drawn. True: the value is complete, and there is no stop token that could follow it.
    bool take(const Tokenizer& tokenizer, int32_t token, const Generation& generation,
              std::span<const uint32_t> allowed);

  private:
    std::optional<constraint::Document> document_;
    bool ended_ = false; // a stop token was drawn, or there is none to draw
};

} // namespace steer
