// A conversation: a list of tokens, a cache that follows behind, and the controls that steer what comes next.
//
// The conversation's functions take its lock and are STEER_ERR_BUSY where it is taken. Those marked [any] may be called from
// any thread meanwhile. A step works on copies and keeps them when it has succeeded: a failure leaves all as it was.
#pragma once

#include "run/controls.h"
#include "run/generation.h"
#include "run/model.h"
#include "run/reply_constraint.h"
#include "run/reply_text.h"
#include "run/step_controls.h"
#include "run/token_list.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace steer {

constexpr const char* kFreed = "the session was freed while this call ran";

struct SessionOptions {
    int32_t context_max = 0;   // 0: the smaller of the model's and 8192
    int32_t prefill_chunk = 0; // 0: chosen
    int32_t injection_max = 16, gauge_max = 16;
    bool twin = false;
};

// What a step gives out, with the memory behind its pointers.
struct StepOutcome {
    steer_step step{};
    std::string message; // where step.status is an error
    std::vector<float> gauges, strengths, prompt_log_probs;
    std::vector<uint8_t> push_free;
    std::vector<steer_candidate> top;
    std::string bytes, text;

    void reset(uint32_t turn);
    void point(); // the pointers, when all is in place; they lead to constants where there is nothing
    void refuse(uint32_t turn, steer_status status, const char* words) noexcept;
};

class Session {
  public:
    Session(std::shared_ptr<Model> model, const SessionOptions& options);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Model& model() const { return *model_; }
    const std::shared_ptr<Model>& shared_model() const { return model_; }

    bool has_twin() const { return twin_; }

    // [any]
    Controls& controls() { return controls_; }
    void set_generation(Generation generation); // seed 0: a fresh one
    GenerationPtr generation() const;
    steer_session_info info() const;
    void cancel(uint32_t turn) noexcept; // in a signal handler too
    void close() noexcept;               // freed: the running call ends soon

    // The conversation.
    std::shared_ptr<Session> fork() const;
    std::pair<std::vector<int32_t>, std::vector<uint8_t>> tokens() const;
    uint32_t set_tokens(int32_t position, std::span<const int32_t> ids, const uint8_t* marks);
    void refresh(int32_t position);
    void observe(std::shared_ptr<const Observer> observer); // nullptr: nobody; forks have none
    void step(const std::function<void(const StepOutcome&)>& write); // called while the lock is held
    // outcomes[i] belongs to sessions[i]; a session that could not be stepped has its own error there. write is called for
    // each while its lock is held.
    static void step_many(std::span<const std::shared_ptr<Session>> sessions,
                          const std::function<void(size_t, const StepOutcome&)>& write);
    void generate(const std::function<bool(const steer_step&)>& callback); // false: stop
    // place: told the size, gives the memory to write to, or nullptr where only the size was asked for.
    void save_state(bool with_cache, const std::function<char*(size_t)>& place) const;
    void load_state(std::string_view bytes); // all or nothing

  private:
    friend class Step;

    class Lock { // of the conversation
      public:
        explicit Lock(const Session& session);
        ~Lock() { session_.busy_.store(false, std::memory_order_release); }
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;

      private:
        const Session& session_;
    };

    Session(const Session& other, const Lock&); // a fork
    void begin_turn(int32_t reply_begin, int32_t reply_count, GenerationPtr settings, ReplyText text,
                    ReplyConstraint constraint) noexcept;
    void step_locked();
    void truncate_cache(int32_t position_count);
    void check_open() const; // STEER_ERR_CANCELLED where it was freed meanwhile
    bool cancelled() const noexcept;
    void publish();

    const std::shared_ptr<Model> model_;
    int32_t context_max_, prefill_chunk_;
    const bool twin_;

    mutable std::atomic<bool> busy_{false};
    std::atomic<bool> closing_{false};
    std::atomic<uint32_t> turn_{0}, cancelled_turn_{0};
    std::atomic<bool> cancel_hint_{false}; // for the backend; may be left over from an earlier turn, cancelled() is the truth

    Controls controls_;
    mutable std::mutex generation_mutex_;
    GenerationPtr generation_;

    // Of the thread that holds the lock; the list is changed under list_mutex_, so that info can read it.
    mutable std::mutex list_mutex_;
    TokenList list_;
    int32_t reply_count_ = 0, reply_begin_ = 0;
    std::shared_ptr<const Observer> observer_;
    bool sampled_ = false;                // a token of this turn, by this session: what came with a saved state is not
    uint64_t cache_bytes_ = 0;            // as published
    std::shared_ptr<CachePool> pool_;     // as published: of the blocks
    BlockTable blocks_, twin_blocks_;     // of the same positions
    StepControls step_controls_;
    Guard guard_;
    std::shared_ptr<const FrozenStrengths> frozen_; // under list_mutex_; nullptr: nothing is
    ReplyText text_;
    ReplyConstraint constraint_;
    GenerationPtr text_settings_;         // whose stop texts text_ knows, whose constraint constraint_ is
    StepOutcome outcome_;
};

} // namespace steer
