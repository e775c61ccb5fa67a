// A reply is made on a thread of its own, so that keys, commands and the window are served while a token is computed.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "reply.h"

namespace chat {

struct PromptLeft {
    int tokens;
};
struct ReplyFailed {
    std::string words, partial_text;
};
using ReplyEvent = std::variant<PromptLeft, ReplyToken, ReplyResult, ReplyFailed>;

class ReplyThread {
  public:
    ReplyThread(steer_model* model, steer_session* session, const Persona* persona, std::function<void()> wake);
    ~ReplyThread();
    ReplyThread(const ReplyThread&) = delete;
    ReplyThread& operator=(const ReplyThread&) = delete;

    void start(std::vector<Message> messages);
    void stop();                    // cancels; the result still comes as an event
    std::vector<ReplyEvent> take(); // since the last call; `wake` was called when there were some
    void join();                    // after the result or the failure was taken

  private:
    void post(ReplyEvent event);
    void work(const std::vector<Message>& messages);

    steer_session* session_;
    ReplyMaker maker_;
    std::function<void()> wake_;
    std::thread thread_;
    std::atomic<bool> stopped_{false};
    std::mutex lock_;
    std::vector<ReplyEvent> events_;
};

} // namespace chat
