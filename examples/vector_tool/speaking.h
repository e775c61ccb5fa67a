// Replies and what is read while they are spoken: sessions with a twin, several of them computed together.
#pragma once

#include "session.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vector_tool {

struct SpeakSettings {
    int32_t token_max = 128; // of a reply
    uint64_t seed = 1;
    std::string variables; // JSON object for the chat template
};

struct ReplyMeans { // over the tokens of a reply; NaN: no value
    std::string text;
    int32_t tokens = 0;
    double kl = 0.0;
    std::vector<double> gauges; // in the order in which they were added
};

// A conversation, its pushes, and its calibrated twin gauges (window 8).
class Speaker {
  public:
    Speaker(steer_model* model, size_t gauges, const SpeakSettings& settings); // samples as the model's own settings say
    steer_injection_id push(const steer_vector* vector, float strength, int32_t unit);
    void set_strength(steer_injection_id id, float strength);
    void read(const steer_vector* vector);
    void hear(const std::string& prompt); // a user's turn, whose reply is spoken next

  private:
    friend std::vector<ReplyMeans> reply_together(const std::vector<Speaker*>& speakers);

    steer_model* model_;
    OpenSession session_;
    std::string variables_;
    std::vector<std::pair<std::string, std::string>> messages_; // role, content
    std::vector<steer_gauge_id> gauges_;
};

std::vector<ReplyMeans> reply_together(const std::vector<Speaker*>& speakers); // one reply of each

} // namespace vector_tool
