// One step of a conversation in three parts, so that the middle one can be computed for many together.
#include "files/error.h"
#include "run/session.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <optional>

namespace steer {
namespace {

constexpr float kNoValue = std::numeric_limits<float>::quiet_NaN();

template<class T> void make_room(std::vector<T>& vector, size_t more) {
    if (vector.capacity() - vector.size() < more) vector.reserve(std::max(vector.size() + more, vector.size() * 2));
}

steer_candidate to_c(const Candidate& candidate) { return {candidate.token, candidate.log_prob}; }

} // namespace

class Step {
  public:
    explicit Step(Session& session) : session_(session), out_(session.outcome_) {}

    // True: row_ is to be computed; false: the outcome is already there.
    bool prepare() noexcept {
        out_.reset(session_.turn_.load());
        return planned_ = guarded([&] { return plan_pass(); });
    }

    void finish() noexcept {
        guarded([&] {
            if (planned_) take_results();
            if (out_.step.status != STEER_OK) return false; // refused while it was prepared
            if (!computed_) session_.step_controls_.fill_nothing(session_.controls_, out_.gauges, out_.push_free, out_.strengths);
            keep();
            return true;
        });
        out_.point();
    }

    void compute_alone() {
        PassRow* const row = &row_;
        session_.model_->run({&row, 1});
        repeat_if_misled();
    }

    // The pass was left for a hint that was an earlier turn's.
    void repeat_if_misled() {
        if (!row_.left || session_.cancelled()) return;
        row_.left = false;
        row_.cancelled = nullptr;
        PassRow* const row = &row_;
        session_.model_->run({&row, 1});
    }

    PassRow* row() { return &row_; }

  private:
    template<class Body> bool guarded(Body body) noexcept;
    bool plan_pass();
    ReplyConstraint constraint_now() const;
    bool constrain();
    void take_results();
    void take_prompt();
    void take_token();
    void guard_reply(bool stop_token);
    void withdraw(int32_t count);
    void finish_turn(int32_t finish);
    void read_prompt_scores();
    void keep() noexcept;
    void take_back(int32_t count) noexcept;
    bool samples() const { return row_.draw != nullptr; }

    Session& session_;
    StepOutcome& out_;
    PassRow row_;
    Draw draw_{};
    GenerationPtr generation_;
    StepControls controls_; // copies, kept when the step has succeeded
    ReplyText text_;
    ReplyConstraint constraint_;
    Guard guard_;
    std::shared_ptr<const FrozenStrengths> frozen_;
    int32_t withdrawn_ = 0; // tokens of the list, beside the one that was drawn
    std::vector<uint32_t> allowed_;
    std::vector<SteeringKey> keys_; // of the positions computed
    std::optional<uint64_t> next_rules_;
    std::vector<uint8_t> chooses_reply_;
    bool planned_ = false, computed_ = false;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

template<class Body> bool Step::guarded(Body body) noexcept {
    const auto refuse = [&](steer_status status, const char* words) {
        out_.refuse(session_.turn_.load(), status, words);
        return false;
    };
    try {
        return body();
    } catch (const Error& error) {
        return refuse(error.status(), error.what());
    } catch (const std::bad_alloc&) {
        return refuse(STEER_ERR_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return refuse(STEER_ERR_INTERNAL, error.what());
    } catch (...) {
        return refuse(STEER_ERR_INTERNAL, "unknown failure");
    }
}

bool Step::plan_pass() {
    TokenList& list = session_.list_;
    generation_ = session_.generation();
    text_ = session_.text_;
    if (generation_ != session_.text_settings_) text_.set_stop_texts(generation_->stop_texts);
    constraint_ = constraint_now();
    if (session_.cancelled()) return finish_turn(STEER_FINISH_CANCELLED), false;
    if (list.size() == 0) fail(STEER_ERR_STATE, "the session has no tokens: steer_session_set_tokens comes first");
    const auto pool = session_.model_->device_pool();
    if (session_.blocks_.pool() != pool) { // they were dropped, and the cache with them
        const std::lock_guard lock(session_.list_mutex_);
        list.drop_computed(0);
        session_.blocks_ = BlockTable(pool);
        session_.twin_blocks_ = BlockTable(pool);
        session_.publish();
    }
    const int32_t begin = list.computed_count();
    const int32_t chunk = session_.prefill_chunk_ > 0 ? session_.prefill_chunk_ : session_.model_->default_chunk();
    const int32_t prompt = std::min(chunk, list.size() - 1 - begin); // the last token is computed when one is sampled
    const bool samples = prompt <= 0;
    if (samples && list.size() >= session_.context_max_) return finish_turn(STEER_FINISH_CONTEXT_FULL), false;

    if (samples && !constrain()) return false;

    controls_ = session_.step_controls_;
    guard_ = session_.guard_;
    controls_.begin_step(session_.controls_, session_.model_->config().layer_count, samples, list.conditions, begin, guard_.factor());
    const ConditionHistory::Today conditions(list.conditions, controls_.condition_owners());
    const auto count = static_cast<size_t>(samples ? 1 : conditions.same_rules(begin, prompt));
    {
        const std::lock_guard lock(session_.list_mutex_);
        make_room(list.ids, 1);
        make_room(list.marks, 1);
        make_room(list.computed, count);
        list.conditions.make_room(list.ids.size() + 2, controls_.condition_owners());
    }
    for (size_t i = 0; i < count; i++) chooses_reply_.push_back(list.chooses_reply(begin + static_cast<int32_t>(i)));

    row_.ids = std::span(list.ids).subspan(static_cast<size_t>(begin), count);
    row_.begin = begin;
    row_.chooses_reply = chooses_reply_;
    row_.blocks = &session_.blocks_;
    row_.plan = controls_.plan();
    if (session_.twin_) {
        row_.twin_blocks = &session_.twin_blocks_;
        row_.twin_plan = controls_.twin_plan();
    }
    row_.strengths = controls_.row_strengths();
    row_.gating = controls_.gating();
    row_.gate_bits = controls_.conditions().gates;
    row_.cancelled = &session_.cancel_hint_;
    row_.observer = session_.observer_.get();
    if (samples) {
        draw_ = {.settings = &generation_->sampling, .seed = generation_->seed, .position = list.size(),
                 .vocab_size = session_.model_->real_vocab_size(), .tokens = list.ids,
                 .reply_begin = session_.reply_begin_, .allowed = allowed_};
        row_.draw = &draw_;
    } else if (generation_->prompt_log_probs) {
        row_.targets = std::span(list.ids).subspan(static_cast<size_t>(begin) + 1, count);
        row_.top_count = generation_->sampling.top_log_probs;
    } else { // of the last alone, to see that what comes into the cache is finite
        row_.targets = std::span(list.ids).subspan(static_cast<size_t>(begin) + count, 1);
    }
    row_.vocab_size = session_.model_->real_vocab_size();
    return true;
}

// Another constraint than before is for what is sampled from now on; a reply that came with a saved state is taken as
// sampled here.
ReplyConstraint Step::constraint_now() const {
    if (session_.constraint_.is(generation_->constraint)) return session_.constraint_;
    ReplyConstraint constraint(generation_->constraint);
    if (session_.sampled_) return constraint;
    const auto reply = std::span(session_.list_.ids).last(static_cast<size_t>(session_.reply_count_));
    constraint.replay(session_.model_->tokenizer(), reply, generation_->stop_tokens);
    return constraint;
}

// Finds what may be drawn; false: nothing may, the turn has ended.
bool Step::constrain() {
    if (!constraint_.active()) return true;
    const int32_t by_context = session_.context_max_ - session_.list_.size(), token_max = generation_->token_max;
    const int32_t finish = constraint_.choose({by_context, token_max > 0 ? token_max - session_.reply_count_ : by_context},
                                              *generation_, allowed_);
    if (finish != STEER_FINISH_NONE) finish_turn(finish);
    return finish == STEER_FINISH_NONE;
}

void Step::take_results() {
    if (row_.status == STEER_ERR_STATE && row_.message.empty()) row_.message = "the model's weights have left the device";
    if (row_.status != STEER_OK) fail(row_.status, "{}", row_.message);
    if (row_.left) return finish_turn(STEER_FINISH_CANCELLED);
    if (!row_.finite)
        fail(STEER_ERR_NUMERIC, "the logits after position {} are not finite: lower the strengths, and refresh if the "
                                "cache was computed under them", row_.end() - 1);
    keys_ = controls_.keys(chooses_reply_, row_.gates_after);
    controls_.fill_strengths(row_.gates_after.empty() ? 0 : row_.gates_after.back(), out_.strengths);
    const int32_t lowest_pushed = session_.list_.lowest_after(keys_);
    controls_.fill_gauges(row_.readings, row_.twin_readings, lowest_pushed, samples(), out_.gauges);
    controls_.fill_push_free(lowest_pushed, out_.push_free);
    if (samples()) next_rules_ = controls_.next_rules(out_.gauges);
    if (samples() && controls_.follow_gauges(out_.gauges)) out_.step.flags |= STEER_STEP_HOLD_LIMIT;
    frozen_ = controls_.frozen();
    if (samples()) take_token();
    else take_prompt();
    computed_ = true;
}

void Step::take_prompt() {
    out_.step.flags |= STEER_STEP_PROMPT;
    out_.step.position = row_.end() - 1;
    if (generation_->prompt_log_probs) read_prompt_scores();
    if (session_.cancelled()) finish_turn(STEER_FINISH_CANCELLED);
}

// Scores of the tokens after each computed position; the very first token has nothing before it.
void Step::read_prompt_scores() {
    const auto top_count = static_cast<size_t>(generation_->sampling.top_log_probs);
    const auto add = [&](float log_prob, std::span<const Candidate> top) {
        out_.prompt_log_probs.push_back(log_prob);
        for (size_t i = 0; i < top_count; i++)
            out_.top.push_back(i < top.size() ? to_c(top[i]) : steer_candidate{-1, kNoValue});
    };
    if (row_.begin == 0) add(kNoValue, {});
    for (size_t i = 0; i < row_.targets.size(); i++) add(row_.scores[i].target_log_prob, row_.scores[i].top);
    out_.step.top_count = static_cast<uint32_t>(top_count);
}

void Step::take_token() {
    const Drawn& drawn = row_.drawn;
    const Tokenizer& tokenizer = session_.model_->tokenizer();
    out_.step.token = drawn.token;
    out_.step.position = row_.end();
    out_.step.log_prob = drawn.log_prob;
    out_.step.entropy = drawn.entropy;
    out_.step.kl = drawn.kl;
    out_.step.kl_share = drawn.kl_share;
    out_.step.twin_log_prob = drawn.twin_log_prob;
    for (const Candidate& candidate : drawn.top) out_.top.push_back(to_c(candidate));
    out_.step.top_count = static_cast<uint32_t>(drawn.top.size());
    out_.bytes = tokenizer.token_bytes(drawn.token);

    const std::vector<int32_t>& stops = generation_->stop_tokens;
    const bool stop_token = std::find(stops.begin(), stops.end(), drawn.token) != stops.end();
    if (!stop_token) out_.text = text_.push(tokenizer, drawn.token);
    const bool closed = constraint_.active() && constraint_.take(tokenizer, drawn.token, *generation_, allowed_);

    if (!text_.stopped() && generation_->guard != STEER_GUARD_OFF) guard_reply(stop_token);
    const int32_t token_max = generation_->token_max;
    if (out_.step.finish != STEER_FINISH_NONE || out_.step.token < 0) return;
    if (session_.cancelled()) finish_turn(STEER_FINISH_CANCELLED);
    else if (stop_token) finish_turn(STEER_FINISH_STOP_TOKEN);
    else if (text_.stopped()) finish_turn(STEER_FINISH_STOP_TEXT);
    else if (closed) finish_turn(STEER_FINISH_STOP_TOKEN);
    else if (token_max > 0 && session_.reply_count_ + 1 >= token_max) finish_turn(STEER_FINISH_TOKEN_MAX);
    else if (session_.list_.size() + 1 >= session_.context_max_) finish_turn(STEER_FINISH_CONTEXT_FULL);
}

// The token that ends a reply is looked at too: an end in the midst of a sentence is a collapse like others.
void Step::guard_reply(bool stop_token) {
    constexpr size_t kSeen = 48; // of the longest loop, three times
    const std::vector<int32_t>& ids = session_.list_.ids;
    const size_t before = std::min(kSeen - 1, static_cast<size_t>(session_.reply_count_));
    std::vector<int32_t> reply(ids.end() - static_cast<ptrdiff_t>(before), ids.end());
    reply.push_back(row_.drawn.token);
    const GuardToken said{out_.text, row_.drawn.entropy, -row_.drawn.twin_log_prob, session_.reply_count_ + 1};
    const Alarm alarm = guard_.watch(reply, said, controls_.guard_limits());
    if (alarm != Alarm::none) out_.step.flags |= STEER_STEP_GUARD;
    const Verdict verdict = guard_.act(generation_->guard, alarm);
    if (verdict.stop && !stop_token) finish_turn(STEER_FINISH_GUARD);
    if (verdict.withdraw > 0) withdraw(std::min(verdict.withdraw, session_.reply_count_ + 1));
}

// The token that was drawn and count - 1 before it are taken back: the reply goes on from there, in text too.
void Step::withdraw(int32_t count) {
    withdrawn_ = count - 1;
    const auto left = static_cast<size_t>(session_.reply_count_ - withdrawn_);
    const std::span<const int32_t> reply = std::span(session_.list_.ids).last(static_cast<size_t>(session_.reply_count_)).first(left);
    text_ = ReplyText(generation_->stop_texts);
    for (const int32_t token : reply) text_.push(session_.model_->tokenizer(), token);
    constraint_ = ReplyConstraint(generation_->constraint);
    constraint_.replay(session_.model_->tokenizer(), reply, generation_->stop_tokens);
    controls_.forget_readings(); // windows and means held the collapse
    out_.step.token = -1;
    out_.step.position = session_.list_.size() - withdrawn_ - 1;
    out_.text.clear();
    out_.bytes.clear();
    out_.top.clear();
    out_.step.top_count = 0;
}

void Step::finish_turn(int32_t finish) {
    out_.step.finish = finish;
    out_.text += text_.flush();
}

void Step::take_back(int32_t count) noexcept {
    session_.list_.withdraw(count);
    session_.truncate_cache(session_.list_.computed_count());
    session_.reply_count_ -= count;
}

// All that could fail is done: from here on the session has what the step brought.
void Step::keep() noexcept {
    steer_step& step = out_.step;
    {
        TokenList& list = session_.list_;
        const std::lock_guard lock(session_.list_mutex_);
        if (computed_) { // room was made
            list.note_computed(keys_);
            list.conditions.note(row_.begin, static_cast<int32_t>(keys_.size()), controls_.condition_owners(),
                                 controls_.conditions().rules, next_rules_, row_.gates_after);
        }
        if (computed_ && samples()) {
            list.ids.push_back(row_.drawn.token);
            list.marks.push_back(1);
            session_.reply_count_++;
            session_.sampled_ = true;
            if (step.token < 0) take_back(withdrawn_ + 1);
        }
        if (computed_) session_.frozen_ = std::move(frozen_);
        session_.publish();
        step.pending_count = static_cast<uint32_t>(std::max(0, list.size() - 1 - list.computed_count()));
    }
    if (computed_) session_.step_controls_ = std::move(controls_);
    if (computed_) session_.guard_ = std::move(guard_);
    session_.text_ = std::move(text_);
    session_.constraint_ = std::move(constraint_);
    session_.text_settings_ = std::move(generation_);
    if (session_.text_.held()) step.flags |= STEER_STEP_TEXT_HELD;
    if (!out_.text.empty() && session_.text_.ends_sentence()) step.flags |= STEER_STEP_SENTENCE_END;
    step.milliseconds = std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - begin_).count();
}

void Session::step_locked() {
    Step step(*this);
    if (step.prepare()) step.compute_alone();
    step.finish();
}

void Session::step_many(std::span<const std::shared_ptr<Session>> sessions,
                        const std::function<void(size_t, const StepOutcome&)>& write) {
    std::deque<Lock> locks;
    std::deque<Step> steps;
    std::vector<size_t> owners; // of steps
    std::vector<Step*> computed;
    std::vector<PassRow*> rows;
    for (size_t i = 0; i < sessions.size(); i++) {
        try {
            locks.emplace_back(*sessions[i]);
        } catch (const Error& error) {
            StepOutcome refused;
            refused.refuse(sessions[i]->turn_.load(), error.status(), error.what());
            write(i, refused);
            continue;
        }
        owners.push_back(i);
        Step& step = steps.emplace_back(*sessions[i]);
        if (!step.prepare()) continue;
        computed.push_back(&step);
        rows.push_back(step.row());
    }
    if (!rows.empty()) sessions[owners[0]]->model_->run(rows);
    for (Step* step : computed) step->repeat_if_misled();
    for (size_t i = 0; i < owners.size(); i++) {
        Session& session = *sessions[owners[i]];
        steps[i].finish();
        if (session.closing_.load()) session.outcome_.refuse(session.turn_.load(), STEER_ERR_CANCELLED, kFreed);
        write(owners[i], session.outcome_);
    }
}

} // namespace steer
