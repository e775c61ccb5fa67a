// The conversation as an event loop over keys, the reply's thread and signals.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "chat_host.h"
#include "commands.h"
#include "conversation.h"
#include "gauge_board.h"
#include "line_editor.h"
#include "reply_thread.h"
#include "screen.h"
#include "signals.h"
#include "terminal.h"

namespace chat {

class App {
  public:
    App(ChatHost& host, Signals& signals);
    ~App();
    int run(); // the exit status

  private:
    // app.cpp: the loop
    void loop();
    void poll_once();
    void on_stdin();
    void on_wake();
    void on_interrupt();
    void on_line(const std::string& line);
    void on_event(const ReplyEvent& event);
    void pump(); // takes up what waits, while nothing is replied
    void answer(const std::string& text);
    void end_reply(const std::string& text, const std::string& note);
    void quit();
    void show_waiting();
    void suspend();

    // app_commands.cpp
    void run_command(const Command& command);
    void set_strength(const Command& command);
    void set_gauge(const Command& command);
    void set_layers(const Command& command);
    void save(const Command& command);
    void load(const Command& command);
    void restore(const struct SavedChat& chat, const std::string& path);
    void say(const std::string& text, Tone tone = Tone::note);

    ChatHost& host_;
    Signals& signals_;
    bool keys_;  // typed at a terminal that we draw on
    bool typed_; // standard input is a terminal at all
    LineEditor editor_;
    std::unique_ptr<KeyMode> key_mode_;
    std::unique_ptr<Screen> screen_;
    Conversation conversation_;
    GaugeBoard board_;
    ReplyThread reply_;

    bool replying_ = false, input_open_ = true, quit_ = false, failed_ = false;
    std::string reply_text_;
    std::string unfinished_line_;
    std::deque<std::string> waiting_;
    std::vector<Command> after_reply_; // commands that need the conversation at rest
    std::chrono::steady_clock::time_point last_interrupt_{};
    bool interrupted_before_ = false, left_by_interrupt_ = false;
};

} // namespace chat
