// A session that speaks on a thread of its own, for a host with a frame loop: post a turn, poll for what came.
#pragma once

#include "session.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace steer::inline STEER_HPP_MODE {

// What came of one turn since the last update. Text is never dropped or reordered; of the rest only the newest is kept, so
// that a host which polls seldom or never costs a reply's text and one reading of the gauges, no more.
struct Update {
    uint32_t turn = 0;              // as post gave it
    std::string text;               // whole characters
    size_t sentence_end = 0;        // bytes of text up to the last place that ends a sentence; 0: none in it
    uint32_t token_count = 0;       // sampled since the last update
    uint32_t pending_count = 0;     // prompt tokens that wait to be computed
    std::vector<float> gauges, strengths; // with the newest token; empty where none was sampled since
    Finish finish = Finish::none;
    steer_error error{};            // not STEER_OK: the turn has ended with it

    bool ended() const { return finish != Finish::none || error.status != STEER_OK; }
    float gauge(GaugeId id) const { return Step::value_of(gauges, id.slot()); } // NaN: unknown
    float strength(InjectionId id) const { return Step::value_of(strengths, id.slot()); }

    void clear() { // keeps its memory
        turn = token_count = pending_count = 0;
        text.clear();
        gauges.clear();
        strengths.clear();
        sentence_end = 0;
        finish = Finish::none;
        error = {};
    }
};

enum class WorkerThread {
    own,
    host, // the host calls work() from its own threads or its job system
};

namespace detail {

class WorkerCore {
  public:
    WorkerCore(steer_model* model, Session session) : model_(model), session_(std::move(session)) {}
    ~WorkerCore() {
        end();
        if (thread_.joinable()) thread_.join();
    }
    WorkerCore(const WorkerCore&) = delete;
    WorkerCore& operator=(const WorkerCore&) = delete;

    struct Task {
        std::vector<Message> messages{};
        ChatOptions chat{};
        Tokens tokens{};
        int32_t position = 0;
        bool is_chat = false;
    };

    Session& session() { return session_; }
    void start() {
        thread_ = std::thread([this] { loop(); });
    }

    uint32_t post(Task task) {
        const std::lock_guard lock(mutex_);
        Turn& turn = turns_.emplace_back();
        turn.task = std::move(task);
        turn.id = ++last_id_;
        wake_.notify_one();
        return turn.id;
    }

    bool poll(Update& out) noexcept {
        const std::unique_lock lock(mutex_, std::try_to_lock); // a frame does not wait: what came is there in the next
        if (!lock || turns_.empty() || !turns_.front().news) return false;
        Turn& turn = turns_.front();
        std::swap(out, turn.update);
        out.turn = turn.id;
        turn.news = false;
        turn.update.clear();
        turn.update.pending_count = out.pending_count;
        if (turn.ended) turns_.pop_front();
        return true;
    }

    void cancel(uint32_t id) noexcept {
        const std::lock_guard lock(mutex_);
        cancel_locked(id);
    }

    bool work() noexcept {
        std::unique_lock lock(mutex_);
        if (working_) return false; // another thread is at it
        Turn* const turn = next_turn();
        if (turn == nullptr) return false;
        working_ = true;
        lock.unlock();
        if (!turn->begun) begin(*turn);
        else step(*turn);
        lock.lock();
        working_ = false;
        return next_turn() != nullptr;
    }

  private:
    struct Turn {
        Task task;
        Update update;
        uint32_t id = 0, session_turn = 0; // session_turn: 0 before the session has it
        bool begun = false;                // of the thread that works
        bool news = false, ended = false, cancelled = false;
    };

    void loop() noexcept {
        while (true) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return ending_ || next_turn() != nullptr; });
                if (ending_) return;
            }
            work();
        }
    }

    void end() noexcept {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        cancel_locked(0);
        wake_.notify_one();
    }

    Turn* next_turn() noexcept { // the one that speaks, or is to speak next
        for (Turn& turn : turns_)
            if (!turn.ended) return &turn;
        return nullptr;
    }

    void cancel_locked(uint32_t id) noexcept {
        const Turn* const first = next_turn();
        for (Turn& turn : turns_) {
            if (turn.ended || (id != 0 && turn.id != id)) continue;
            turn.cancelled = true;
            if (turn.session_turn != 0) steer_session_cancel(session_.get(), turn.session_turn);
            else if (&turn != first || !working_) finish(turn, Finish::cancelled); // it has not begun and never will
        }
    }

    void begin(Turn& turn) noexcept {
        Task task = std::move(turn.task); // ends here, not in a poll
        steer_error err{};
        turn.begun = true;
        attempt(err, [&] {
            if (task.is_chat) encode_chat(model_, task.messages, task.chat, session_.get(), task.tokens, err);
        });
        const std::lock_guard lock(mutex_); // set_tokens only edits a list: whoever cancels waits for no more than that
        if (turn.cancelled) return finish(turn, Finish::cancelled);
        const Tokens& tokens = task.tokens;
        if (err.status == STEER_OK)
            steer_session_set_tokens(session_.get(), task.position, tokens.ids.data(),
                                     tokens.marks.empty() ? nullptr : tokens.marks.data(), tokens.ids.size(),
                                     &turn.session_turn, &err);
        if (err.status != STEER_OK) fail(turn, err);
    }

    void step(Turn& turn) noexcept {
        Step out{};
        steer_error err{};
        steer_session_step(session_.get(), &out, sizeof(steer_step), &err);
        const std::lock_guard lock(mutex_);
        if (err.status == STEER_OK) attempt(err, [&] { note(turn.update, out); });
        if (err.status != STEER_OK) return fail(turn, err);
        turn.news = true;
        if (out.finished()) finish(turn, out.finish());
    }

    static void note(Update& update, const Step& step) {
        update.text.append(step.text());
        if (step.sentence_end()) update.sentence_end = update.text.size();
        update.pending_count = step.pending_count;
        if (step.token < 0) return;
        update.token_count++;
        update.gauges.assign(step.gauges().begin(), step.gauges().end());
        update.strengths.assign(step.strengths().begin(), step.strengths().end());
    }

    void finish(Turn& turn, Finish why) noexcept {
        turn.update.finish = why;
        turn.news = turn.ended = true;
    }
    void fail(Turn& turn, const steer_error& err) noexcept {
        turn.update.error = err;
        turn.news = turn.ended = true;
    }

    steer_model* const model_; // a handle: a model freed meanwhile is an error of the turn
    Session session_;
    std::mutex mutex_;         // of all below; held to note something, never while a step or an encoding runs
    std::condition_variable wake_;
    std::deque<Turn> turns_;   // in the order of post; ended ones wait here to be polled
    uint32_t last_id_ = 0;
    bool working_ = false, ending_ = false;
    std::thread thread_;
};

} // namespace detail

// Turns are spoken one after the other, in the order in which they were posted. Destroying it cancels and waits for the
// step that runs; with WorkerThread::host, let no work() run then.
class Worker {
  public:
    static Returned<Worker> create(const Model& model, Session session, WorkerThread thread = WorkerThread::own) {
        steer_error err{};
        Worker worker;
        detail::attempt(err, [&] {
            worker.core_ = std::make_unique<detail::WorkerCore>(model.get(), std::move(session));
            if (thread == WorkerThread::own) worker.core_->start();
        });
        return detail::give(err, std::move(worker));
    }

    // The whole conversation so far, to be answered: opens a reply, or goes on with the last message (chat.continue_last).
    uint32_t post(std::vector<Message> messages, ChatOptions chat = {}) {
        chat.open_reply = !chat.continue_last;
        return core_->post({.messages = std::move(messages), .chat = std::move(chat), .is_chat = true});
    }
    // As set_tokens: from position on the list reads ids; -1: at the end.
    uint32_t post_tokens(Tokens tokens, int32_t position = 0) {
        return core_->post({.tokens = std::move(tokens), .position = position});
    }

    // The next news; false: none now. Never waits. Hand in the same Update again and its memory is used again.
    bool poll(Update& update) noexcept { return core_->poll(update); }

    void cancel(uint32_t turn = 0) noexcept { core_->cancel(turn); } // 0: all that were posted
    Session& session() { return core_->session(); } // its controls; the conversation is the worker's
    bool work() noexcept { return core_->work(); }  // one bounded piece; false: nothing is left to do now

  private:
    Worker() = default;

    std::unique_ptr<detail::WorkerCore> core_;
};

} // namespace steer::inline STEER_HPP_MODE
