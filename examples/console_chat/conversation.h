// The messages so far, and their file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine.h"
#include "persona.h"

namespace chat {

class Conversation {
  public:
    explicit Conversation(std::optional<std::string> system);

    const std::vector<Message>& messages() const { return messages_; }
    void add_user(std::string text);
    void add_reply(std::string text);
    void drop_unanswered(); // the last message, if it is the user's
    void reset();           // the system message stays
    void replace(std::vector<Message> messages) { messages_ = std::move(messages); }
    std::size_t turns() const; // replies so far

  private:
    std::vector<Message> messages_;
};

// What a saved chat holds besides its messages.
struct SavedPersona {
    std::string vector, vector_fingerprint;
    float strength = 0;
    LayerRange layers{0, 0};
};
struct SavedChat {
    std::string model, model_fingerprint;
    std::optional<SavedPersona> persona;
    std::vector<Message> messages;
};

void save_chat(const std::string& path, const SavedChat& chat); // the old file stays whole if this fails
SavedChat load_chat(const std::string& path);

} // namespace chat
