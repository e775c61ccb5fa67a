#include "run/session.h"

#include "files/error.h"

#include <algorithm>
#include <limits>

namespace steer {
namespace {

constexpr int32_t kContextDefault = 8192;

int32_t choose_context(int32_t asked, int32_t model_max) {
    if (asked > model_max)
        fail(STEER_ERR_ARG, "context_max is {}, the model has {} positions", asked, model_max);
    return asked > 0 ? asked : std::min(model_max, kContextDefault);
}

} // namespace

void StepOutcome::reset(uint32_t turn) {
    constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
    step = {};
    step.struct_size = sizeof step;
    step.turn = turn;
    step.position = step.token = -1;
    step.log_prob = step.entropy = step.kl = step.kl_share = step.twin_log_prob = unknown;
    message.clear();
    gauges.clear();
    strengths.clear();
    prompt_log_probs.clear();
    push_free.clear();
    top.clear();
    bytes.clear();
    text.clear();
}

void StepOutcome::point() {
    static const float no_float = 0.0f;
    static const uint8_t no_byte = 0;
    static const steer_candidate no_candidate{};
    const auto pointer = [](const auto& from, const auto& nothing) { return from.empty() ? &nothing : from.data(); };
    const auto view = [](const std::string& from) { return steer_view{from.empty() ? "" : from.data(), from.size()}; };
    step.gauge_count = static_cast<uint32_t>(gauges.size());
    step.strength_count = static_cast<uint32_t>(strengths.size());
    step.prompt_count = static_cast<uint32_t>(prompt_log_probs.size());
    step.gauges = pointer(gauges, no_float);
    step.gauge_push_free = pointer(push_free, no_byte);
    step.strengths = pointer(strengths, no_float);
    step.top = pointer(top, no_candidate);
    step.prompt_log_probs = pointer(prompt_log_probs, no_float);
    step.bytes = view(bytes);
    step.text = view(text);
}

void StepOutcome::refuse(uint32_t turn, steer_status status, const char* words) noexcept {
    reset(turn);
    step.status = status;
    try {
        message = words;
    } catch (...) { // no memory for the words
    }
    point();
}

Session::Lock::Lock(const Session& session) : session_(session) {
    if (session.busy_.exchange(true, std::memory_order_acquire))
        fail(STEER_ERR_BUSY, "another call on this session's conversation is running, or this one came from its callback");
}

Session::Session(std::shared_ptr<Model> model, const SessionOptions& options)
    : model_(std::move(model)),
      context_max_(choose_context(options.context_max, model_->config().context_max)),
      prefill_chunk_(options.prefill_chunk),
      twin_(options.twin),
      controls_(options.injection_max, options.gauge_max) {
    set_generation(model_->generation());
    text_settings_ = generation();
}

Session::Session(const Session& other, const Lock&)
    : model_(other.model_),
      context_max_(other.context_max_),
      prefill_chunk_(other.prefill_chunk_),
      twin_(other.twin_),
      turn_(other.turn_.load()),
      cancelled_turn_(other.cancelled_turn_.load()),
      controls_(other.controls_),
      generation_(other.generation()),
      list_(other.list_),
      reply_count_(other.reply_count_),
      reply_begin_(other.reply_begin_),
      sampled_(other.sampled_),
      blocks_(other.blocks_),
      twin_blocks_(other.twin_blocks_),
      step_controls_(other.step_controls_),
      guard_(other.guard_),
      frozen_(other.frozen_),
      text_(other.text_),
      constraint_(other.constraint_),
      text_settings_(other.text_settings_) {
    publish();
}

std::shared_ptr<Session> Session::fork() const {
    const Lock lock(*this);
    return std::shared_ptr<Session>(new Session(*this, lock));
}

void Session::set_generation(Generation generation) {
    if (generation.seed == 0) generation.seed = fresh_seed();
    auto shared = std::make_shared<const Generation>(std::move(generation));
    const std::lock_guard lock(generation_mutex_);
    generation_.swap(shared);
}

GenerationPtr Session::generation() const {
    const std::lock_guard lock(generation_mutex_);
    return generation_;
}

steer_session_info Session::info() const {
    steer_session_info info{};
    info.context_max = context_max_;
    info.seed = generation()->seed;
    const auto pool = model_->pool();
    const std::lock_guard lock(list_mutex_);
    const SettledSteering settled = controls_.settled(frozen_ ? *frozen_ : FrozenStrengths{});
    const bool cache_there = pool_ && pool_ == pool;
    info.turn = turn_.load();
    info.token_count = list_.size();
    info.computed_count = cache_there ? list_.computed_count() : 0;
    info.stale_from = cache_there ? list_.stale_from(settled) : -1;
    info.reply_count = reply_count_;
    info.cache_bytes = cache_there ? cache_bytes_ : 0;
    return info;
}

void Session::cancel(uint32_t turn) noexcept {
    const uint32_t now = turn_.load();
    const uint32_t named = turn == 0 ? now : turn;
    if (named > now) return; // not begun
    uint32_t seen = cancelled_turn_.load();
    while (seen < named && !cancelled_turn_.compare_exchange_weak(seen, named)) {}
    if (named == now) cancel_hint_.store(true);
}

void Session::close() noexcept {
    closing_.store(true);
    cancel_hint_.store(true);
}

bool Session::cancelled() const noexcept {
    const uint32_t turn = turn_.load();
    return closing_.load() || (turn != 0 && cancelled_turn_.load() == turn);
}

void Session::check_open() const {
    if (closing_.load()) fail(STEER_ERR_CANCELLED, "{}", kFreed);
}

// The caller holds list_mutex_, or nobody else knows the session yet.
void Session::publish() {
    cache_bytes_ = blocks_.bytes() + twin_blocks_.bytes();
    pool_ = blocks_.pool();
}

void Session::truncate_cache(int32_t position_count) {
    blocks_.truncate(position_count);
    twin_blocks_.truncate(position_count);
}

std::pair<std::vector<int32_t>, std::vector<uint8_t>> Session::tokens() const {
    const Lock lock(*this);
    return {list_.ids, list_.marks};
}

uint32_t Session::set_tokens(int32_t position, std::span<const int32_t> ids, const uint8_t* marks) {
    const Lock lock(*this);
    const int32_t at = position == -1 ? list_.size() : position;
    if (at < 0 || at > list_.size())
        fail(STEER_ERR_ARG, "position is {}, the list has {} tokens", position, list_.size());
    if (ids.size() > static_cast<size_t>(context_max_ - at))
        fail(STEER_ERR_CONTEXT_FULL, "{} tokens from position {} on do not fit into a context of {}", ids.size(), at,
             context_max_);
    for (size_t i = 0; i < ids.size(); i++)
        if (ids[i] < 0 || ids[i] >= model_->config().vocab_size)
            fail(STEER_ERR_ARG, "token {} at index {} is outside the vocabulary of {}", ids[i], i,
                 model_->config().vocab_size);
    GenerationPtr settings = generation();
    ReplyText text(settings->stop_texts);
    ReplyConstraint constraint(settings->constraint);
    const std::lock_guard list_lock(list_mutex_);
    list_.replace(at, ids, marks); // the last that can fail
    truncate_cache(list_.computed_count());
    begin_turn(list_.size(), 0, std::move(settings), std::move(text), std::move(constraint));
    publish();
    return turn_.load();
}

// The caller holds list_mutex_.
void Session::begin_turn(int32_t reply_begin, int32_t reply_count, GenerationPtr settings, ReplyText text,
                         ReplyConstraint constraint) noexcept {
    reply_begin_ = reply_begin;
    reply_count_ = reply_count;
    step_controls_.begin_turn();
    guard_.begin_turn();
    sampled_ = false;
    text_settings_ = std::move(settings);
    text_ = std::move(text);
    constraint_ = std::move(constraint);
    cancel_hint_.store(false); // before the turn can be named: a cancel of it is not lost
    turn_.fetch_add(1);
}

void Session::refresh(int32_t position) {
    const Lock lock(*this);
    if (position < 0 || position > list_.size())
        fail(STEER_ERR_ARG, "position is {}, the list has {} tokens", position, list_.size());
    const std::lock_guard list_lock(list_mutex_);
    list_.drop_computed(position);
    truncate_cache(list_.computed_count());
    publish();
}

void Session::observe(std::shared_ptr<const Observer> observer) {
    const Lock lock(*this);
    observer_ = std::move(observer);
}

void Session::step(const std::function<void(const StepOutcome&)>& write) {
    const Lock lock(*this);
    step_locked();
    check_open();
    write(outcome_);
}

void Session::generate(const std::function<bool(const steer_step&)>& callback) {
    const Lock lock(*this);
    while (true) {
        step_locked();
        check_open();
        if (outcome_.step.status != STEER_OK) fail(outcome_.step.status, "{}", outcome_.message);
        const bool go_on = callback(outcome_.step);
        check_open();
        if (outcome_.step.finish != STEER_FINISH_NONE) return;
        if (go_on) continue;
        cancel(0);
        return;
    }
}

} // namespace steer
