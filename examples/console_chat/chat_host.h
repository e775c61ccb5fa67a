// What every way of chatting needs: the loaded model, the session, the persona in it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "options.h"
#include "persona.h"
#include "signals.h"

namespace chat {

class ChatHost {
  public:
    // Loads; warnings go to the log, progress to standard error if that is a terminal.
    ChatHost(const Options& options, Signals& signals);
    ~ChatHost();

    steer_model* model() const { return model_.get(); }
    steer_session* session() const { return session_.get(); }
    Persona* persona() const { return persona_.get(); } // null: chatting without
    const std::string& model_path() const { return model_path_; }
    const Options& options() const { return options_; }

    std::vector<std::string> banner() const;      // lines without decoration
    std::vector<std::string> layer_lines() const; // for /layers
    std::string context_text() const;             // "312 of 8192 tokens"

  private:
    void load(Signals& signals);
    void open_persona();
    void open_session();

    Options options_;
    std::string model_path_;
    Model model_;
    steer_model_info info_{};
    std::unique_ptr<Persona> persona_;
    Session session_;
    Signals& signals_;
};

} // namespace chat
