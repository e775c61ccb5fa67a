#include "run/constraint_cache.h"

#include <algorithm>

namespace steer {

using namespace constraint;

ConstraintPtr ConstraintCache::get(std::string_view schema) {
    {
        const std::lock_guard lock(mutex_);
        if (ConstraintPtr known = find(schema)) return known;
    }
    const std::shared_ptr<Masks> shared = masks();
    ConstraintPtr made = schema.empty() ? Constraint::json(shared) : Constraint::json_schema(shared, schema);
    const std::lock_guard lock(mutex_);
    if (ConstraintPtr known = find(schema)) return known; // another thread was faster
    recent_.push_front(made);
    if (recent_.size() > kKept) recent_.pop_back();
    return made;
}

ConstraintPtr ConstraintCache::find(std::string_view schema) {
    const auto found =
        std::find_if(recent_.begin(), recent_.end(), [&](const ConstraintPtr& one) { return one->text() == schema; });
    if (found == recent_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, found);
    return *found;
}

std::shared_ptr<Masks> ConstraintCache::masks() {
    const std::lock_guard lock(mutex_);
    if (!masks_) masks_ = std::make_shared<Masks>(tokenizer_, vocabulary_size_);
    return masks_;
}

} // namespace steer
