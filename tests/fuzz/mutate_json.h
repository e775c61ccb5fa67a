// Changes a JSON text where a random walk from its root ends, so that it stays JSON and its deeper parts are reached.
#pragma once

#include <functional>
#include <random>
#include <string>

namespace fuzz {

using Random = std::minstd_rand;

// Changes a text in place; for strings within the JSON.
using MutateText = std::function<std::string(std::string text, size_t largest)>;

bool mutate_json(std::string& text, Random& random, const MutateText& mutate); // false: it is no JSON

} // namespace fuzz
