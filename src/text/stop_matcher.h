// Looks for stop texts in a growing text. No part of a stop text ever comes out, and nothing waits longer than it must.
#pragma once

#include "text/find.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

class StopMatcher {
  public:
    StopMatcher() = default;
    // An empty stop text is STEER_ERR_ARG.
    explicit StopMatcher(std::span<const std::string> stops);

    // The text that is safe to show: everything but the longest tail that may still become a stop text. The first stop
    // text to be complete ends it all: text is cut before it (of several that end at the same byte, before the
    // longest), and later calls return nothing.
    std::string push(std::string_view text);
    // What was held, when no more text will come; nothing after a match.
    std::string flush();
    void reset();
    bool matched() const { return matched_; }
    bool held() const { return !held_.empty(); }

  private:
    void reset_states();

    std::vector<Finder> stops_;
    std::vector<size_t> states_; // bytes of each stop text that the text so far ends with
    std::string held_;
    bool matched_ = false;
};

} // namespace steer
