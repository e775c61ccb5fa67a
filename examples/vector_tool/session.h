// Sessions with a twin, what is pushed and read in them, and what a user says.
#pragma once

#include "steer/steer.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vector_tool {

struct FreeSession {
    void operator()(steer_session* session) const { steer_session_free(session); }
};
using OpenSession = std::unique_ptr<steer_session, FreeSession>;

struct SessionSettings {
    uint64_t seed = 1;
    int32_t token_max = 128;      // of a reply
    int32_t gauge_max = 16;
    float kl_budget = INFINITY;   // nats a token
};

OpenSession open_session(steer_model* model, const SessionSettings& settings); // samples as the model's own settings say
steer_injection_id add_push(steer_session* session, const steer_vector* vector, float strength, int32_t unit);
steer_gauge_id add_gauge(steer_session* session, const steer_vector* vector, int32_t reading, int32_t scale, int32_t window = 1);

// The conversation so far, with a reply opened. variables: JSON object for the chat template.
void open_turn(steer_model* model, steer_session* session, const std::vector<steer_chat_message>& messages, const std::string& variables);

} // namespace vector_tool
