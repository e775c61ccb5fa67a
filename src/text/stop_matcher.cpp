#include "text/stop_matcher.h"

#include "files/error.h"

#include <algorithm>

namespace steer {

StopMatcher::StopMatcher(std::span<const std::string> stops) : states_(stops.size(), 0) {
    for (const std::string& stop : stops) {
        if (stop.empty()) fail(STEER_ERR_ARG, "stop texts: one of them is empty; leave it out");
        stops_.emplace_back(stop);
    }
}

std::string StopMatcher::push(std::string_view text) {
    if (matched_) return {};
    held_.append(text);
    size_t scanned = held_.size() - text.size(), found = 0;
    while (scanned < held_.size() && found == 0) {
        for (size_t i = 0; i < stops_.size(); ++i) {
            states_[i] = stops_[i].advance(states_[i], held_[scanned]);
            if (states_[i] == stops_[i].needle().size()) found = std::max(found, states_[i]);
        }
        ++scanned;
    }
    size_t wait = found;
    if (found == 0) {
        for (size_t state : states_) wait = std::max(wait, state);
    }
    std::string safe = held_.substr(0, scanned - wait);
    matched_ = found > 0;
    held_.erase(0, matched_ ? held_.size() : safe.size());
    return safe;
}

std::string StopMatcher::flush() {
    std::string rest = std::move(held_);
    reset_states();
    return rest;
}

void StopMatcher::reset() {
    matched_ = false;
    held_.clear();
    reset_states();
}

void StopMatcher::reset_states() { std::fill(states_.begin(), states_.end(), 0); }

} // namespace steer
