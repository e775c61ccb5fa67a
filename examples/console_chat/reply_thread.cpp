#include "reply_thread.h"

#include <utility>

namespace chat {

ReplyThread::ReplyThread(steer_model* model, steer_session* session, const Persona* persona, std::function<void()> wake)
    : session_(session), maker_(model, session, persona), wake_(std::move(wake)) {
    maker_.on_token = [this](const ReplyToken& token) { post(token); };
    maker_.on_prompt = [this](int pending) { post(PromptLeft{pending}); };
    maker_.stopped = [this] { return stopped_.load(); };
}

ReplyThread::~ReplyThread() {
    stop();
    join();
}

void ReplyThread::post(ReplyEvent event) {
    {
        const std::lock_guard guard(lock_);
        events_.push_back(std::move(event));
    }
    wake_();
}

void ReplyThread::work(const std::vector<Message>& messages) {
    try {
        post(maker_.run(messages));
    } catch (const std::exception& error) {
        post(ReplyFailed{error.what(), maker_.partial_text()});
    }
}

void ReplyThread::start(std::vector<Message> messages) {
    join();
    stopped_ = false;
    thread_ = std::thread([this, messages = std::move(messages)] { work(messages); });
}

void ReplyThread::stop() {
    stopped_ = true;
    if (thread_.joinable()) steer_session_cancel(session_, 0);
}

void ReplyThread::join() {
    if (thread_.joinable()) thread_.join();
}

std::vector<ReplyEvent> ReplyThread::take() {
    const std::lock_guard guard(lock_);
    return std::exchange(events_, {});
}

} // namespace chat
