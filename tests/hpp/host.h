// What the tests of the C++ headers start from.
#pragma once

#include "folder.h"
#include "steer/steer.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

// The call must throw steer::Exception with a status, and its words must hold a part.
#define THROWS(call, expected, words)                                                                                       \
    do {                                                                                                                    \
        steer_error told{};                                                                                                 \
        try {                                                                                                               \
            (void)(call);                                                                                                   \
        } catch (const steer::Exception& thrown) {                                                                          \
            told = thrown.error();                                                                                          \
            CHECK(std::string(thrown.what()) == told.message);                                                              \
        }                                                                                                                   \
        CHECK(std::string(steer::status_name(told.status)) == #expected);                                                   \
        CHECK_THAT(told.message, Catch::Contains(words));                                                                   \
    } while (false)

namespace host {

inline const Folder& folder() {
    static const Folder one;
    return one;
}

inline steer::Model load() { return steer::Model::load(folder().path()); }

// A unit row in direction `axis` for each of the three layers.
inline steer::Vector axis_vector(const steer::Model& model, size_t axis, float length = 1.0f) {
    const auto hidden = static_cast<size_t>(model.info().hidden_size);
    std::vector<float> rows(3 * hidden, 0.0f);
    for (size_t layer = 0; layer < 3; layer++) rows[layer * hidden + axis] = length;
    return steer::Vector::create(rows, hidden, {.model = &model, .name = "axis"});
}

inline steer::GenerationOptions plain(int32_t token_max, uint64_t seed = 7) { // no stop tokens
    return {.token_max = token_max, .seed = seed, .stop_tokens = std::vector<int32_t>{}};
}

inline std::vector<int32_t> prompt_of(int seed, int length) {
    std::vector<int32_t> ids;
    for (int i = 0; i < length; i++) ids.push_back((i * 13 + seed * 71) % 256);
    return ids;
}

// What the C functions alone say to the same list: text, and the last gauge in slot 0.
struct Reference {
    std::string text;
    int tokens = 0;
    float gauge = NAN;
};
inline Reference speak(steer_session* session) {
    Reference reference;
    steer_step step{};
    while (step.finish == STEER_FINISH_NONE) {
        steer_error err{};
        REQUIRE(steer_session_step(session, &step, sizeof step, &err) == STEER_OK);
        reference.text.append(step.text.data, step.text.size);
        if (step.token < 0) continue;
        reference.tokens++;
        if (step.gauge_count > 0) reference.gauge = step.gauges[0];
    }
    return reference;
}

} // namespace host
