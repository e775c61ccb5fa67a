// Constraints in use with one model. A host sets the same schema again and again: it is compiled once, and what was
// worked out for its masks is kept.
#pragma once

#include "text/constraint/constraint.h"
#include "text/tokenizer.h"

#include <list>
#include <memory>
#include <mutex>
#include <string_view>

namespace steer {

class ConstraintCache {
  public:
    ConstraintCache(const Tokenizer& tokenizer, int32_t vocabulary_size)
        : tokenizer_(tokenizer), vocabulary_size_(vocabulary_size) {}

    // schema empty: any JSON value. For any thread.
    constraint::ConstraintPtr get(std::string_view schema);

  private:
    static constexpr size_t kKept = 16;

    constraint::ConstraintPtr find(std::string_view schema); // moves it to the front
    std::shared_ptr<constraint::Masks> masks();

    const Tokenizer& tokenizer_;
    const int32_t vocabulary_size_;
    std::mutex mutex_;
    std::shared_ptr<constraint::Masks> masks_;    // made when first needed: it takes some 50 ms
    std::list<constraint::ConstraintPtr> recent_; // latest first
};

} // namespace steer
