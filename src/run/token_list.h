// The tokens of a conversation, and beside each computed position what steering its cache entry was built under.
#pragma once

#include "run/conditions.h"
#include "run/controls.h"

#include <cstdint>
#include <span>
#include <vector>

namespace steer {

struct TokenList {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks;          // 1: an assistant speaks
    std::vector<SteeringKey> computed;   // of positions with a cache entry; lowest_site: at or before this position
    ConditionHistory conditions;

    int32_t size() const { return static_cast<int32_t>(ids.size()); }
    int32_t computed_count() const { return static_cast<int32_t>(computed.size()); }

    // Of the token that a position chooses; the last position's is the reply that is to come.
    bool chooses_reply(int32_t position) const {
        const auto next = static_cast<size_t>(position) + 1;
        return next >= marks.size() || marks[next] != 0;
    }
    SpanMask span(int32_t position) const { return chooses_reply(position) ? kSpanReply : kSpanPrompt; }

    // From position on the list reads ids; entries stay as far as the list is unchanged, but for its last token's.
    void replace(int32_t position, std::span<const int32_t> new_ids, const uint8_t* new_marks);
    void note_computed(std::span<const SteeringKey> keys); // of the next positions
    int32_t lowest_after(std::span<const SteeringKey> keys) const; // lowest_site, were they noted
    void drop_computed(int32_t from);
    void withdraw(int32_t count) noexcept; // the last tokens, and what was computed of them and of the one before

    // The first computed position that today's settings would compute differently; -1: none.
    int32_t stale_from(const SettledSteering& today) const;
};

} // namespace steer
