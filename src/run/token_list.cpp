#include "run/token_list.h"

#include <algorithm>

namespace steer {

void TokenList::replace(int32_t position, std::span<const int32_t> new_ids, const uint8_t* new_marks) {
    const auto at = static_cast<size_t>(position);
    size_t same = 0;
    while (same < new_ids.size() && at + same < ids.size() && ids[at + same] == new_ids[same]) same++;

    // All that can fail for want of memory comes first.
    ids.reserve(at + new_ids.size());
    marks.reserve(at + new_ids.size());
    ids.resize(at);
    marks.resize(at);
    ids.insert(ids.end(), new_ids.begin(), new_ids.end());
    for (size_t i = 0; i < new_ids.size(); i++) marks.push_back(new_marks != nullptr && new_marks[i] != 0);
    conditions.keep_tokens(static_cast<int32_t>(at + same));
    drop_computed(static_cast<int32_t>(std::min(at + same, ids.empty() ? 0 : ids.size() - 1)));
}

void TokenList::note_computed(std::span<const SteeringKey> keys) {
    for (SteeringKey key : keys) {
        if (!computed.empty()) key.lowest_site = std::min(key.lowest_site, computed.back().lowest_site);
        computed.push_back(key);
    }
}

int32_t TokenList::lowest_after(std::span<const SteeringKey> keys) const {
    int32_t lowest = computed.empty() ? INT32_MAX : computed.back().lowest_site;
    for (const SteeringKey& key : keys) lowest = std::min(lowest, key.lowest_site);
    return lowest;
}

void TokenList::drop_computed(int32_t from) {
    if (from < computed_count()) computed.resize(static_cast<size_t>(from));
    conditions.keep_computed(computed_count());
}

void TokenList::withdraw(int32_t count) noexcept {
    const auto left = static_cast<size_t>(std::max(0, size() - count));
    ids.resize(left);
    marks.resize(left);
    conditions.keep_tokens(static_cast<int32_t>(left));
    drop_computed(static_cast<int32_t>(left) - 1);
}

int32_t TokenList::stale_from(const SettledSteering& today) const {
    KeyMemo keys(today.injections);
    const ConditionHistory::Today then(conditions, today.owners);
    for (int32_t position = 0; position < computed_count(); position++)
        if (computed[static_cast<size_t>(position)].key != keys.at(span(position), then.at(position)).key)
            return position;
    return -1;
}

} // namespace steer
