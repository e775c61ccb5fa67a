// Chapters 8 to 12: a conversation with its controls.
#pragma once

#include "controls.hpp"
#include "generation.hpp"

#include <algorithm>
#include <iterator>
#include <type_traits>

namespace steer::inline STEER_HPP_MODE {

struct SessionOptions {
    std::optional<int32_t> context_max{};
    std::optional<int32_t> prefill_chunk{};
    std::optional<int32_t> injection_max{}, gauge_max{};
    bool twin = false;
};

// The steps until the turn's end, the finishing one included: an input range. A step that fails throws, or ends it and
// is told by error().
class StepRange {
  public:
    class Iterator {
      public:
        using value_type = Step;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        explicit Iterator(StepRange* range) : range_(range) {}
        const Step& operator*() const { return range_->step_; }
        const Step* operator->() const { return &range_->step_; }
        Iterator& operator++() {
            if (range_->step_.finished()) range_->over_ = true;
            else range_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return range_->over_; }

      private:
        StepRange* range_;
    };

    explicit StepRange(steer_session* session) : session_(session) {}
    Iterator begin() { // makes the first step
        next();
        return Iterator(this);
    }
    std::default_sentinel_t end() const { return {}; }
    const steer_error& error() const { return error_; }

  private:
    void next() {
        over_ = steer_session_step(session_, &step_, sizeof(steer_step), &error_) != STEER_OK;
#if defined(STEER_HPP_THROWS)
        if (over_) throw Exception(error_);
#endif
    }

    steer_session* session_;
    Step step_{};
    steer_error error_{};
    bool over_ = false;
};

struct StepMany {
    std::vector<Step> steps;   // each with its session's own status
    steer_error first_failure; // among them; STEER_OK: none
};

class Session : public detail::Owner<steer_session, steer_session_free> {
  public:
    using Owner::Owner;

    static Returned<Session> create(const Model& model, const SessionOptions& options = {}) {
        steer_session_options c;
        steer_session_options_init(&c, sizeof c);
        detail::set(c.context_max, options.context_max);
        detail::set(c.prefill_chunk, options.prefill_chunk);
        detail::set(c.injection_max, options.injection_max);
        detail::set(c.gauge_max, options.gauge_max);
        c.twin = options.twin ? 1 : 0;
        return made([&](steer_session** out, steer_error* err) { steer_session_create(model.get(), &c, out, err); });
    }

    Returned<Session> fork() const {
        return made([&](steer_session** out, steer_error* err) { steer_session_fork(get(), out, err); });
    }

    Returned<steer_session_info> info() const { // any thread
        steer_error err{};
        steer_session_info info{};
        steer_session_get_info(get(), &info, sizeof info, &err);
        return detail::give(err, info);
    }

    // ---- the list of tokens -----------------------------------------------------------------

    Returned<Tokens> tokens() const {
        steer_error err{};
        Tokens out;
        detail::fetch(out.ids, err, [&](int32_t* ids, size_t cap, size_t* count, steer_error* error) {
            out.marks.resize(cap);
            return steer_session_get_tokens(get(), ids, cap == 0 ? nullptr : out.marks.data(), cap, count, error);
        });
        out.marks.resize(out.ids.size());
        return detail::give(err, std::move(out));
    }

    // Gives the turn, which cancel takes. marks: as many as ids, or none: all prompt.
    Returned<uint32_t> set_tokens(int32_t position, std::span<const int32_t> ids, std::span<const uint8_t> marks = {}) {
        steer_error err{};
        uint32_t turn = 0;
        if (!marks.empty() && marks.size() != ids.size())
            err = detail::make_error(STEER_ERR_ARG, "marks: there must be as many as ids, or none");
        else steer_session_set_tokens(get(), position, ids.data(), marks.empty() ? nullptr : marks.data(), ids.size(), &turn, &err);
        return detail::give(err, turn);
    }
    Returned<uint32_t> set_tokens(int32_t position, const Tokens& tokens) {
        return set_tokens(position, tokens.ids, tokens.marks);
    }

    Returned<void> refresh(int32_t position) {
        steer_error err{};
        steer_session_refresh(get(), position, &err);
        return detail::give(err);
    }

    // ---- controls: any thread -----------------------------------------------------------------

    Returned<InjectionId> add_injection(const InjectionOptions& options) {
        steer_error err{};
        InjectionId id;
        detail::add_injection(get(), options, id, err);
        return detail::give(err, id);
    }
    Returned<void> set_strength(InjectionId id, float value, int32_t ramp_tokens = 0) {
        const steer_status status = steer_injection_set(get(), id.value, value, ramp_tokens);
        return detail::give(detail::make_error(status, status == STEER_OK ? "" : kNoStrength));
    }
    Returned<GaugeId> add_gauge(const GaugeOptions& options) {
        steer_error err{};
        GaugeId id;
        detail::add_gauge(get(), options, id, err);
        return detail::give(err, id);
    }
    Returned<void> remove(InjectionId id) {
        steer_error err{};
        steer_injection_remove(get(), id.value, &err);
        return detail::give(err);
    }
    Returned<void> remove(GaugeId id) {
        steer_error err{};
        steer_gauge_remove(get(), id.value, &err);
        return detail::give(err);
    }

    // What options leave out is as the model's generation_config has it; nullptr: plain sampling.
    Returned<void> set_generation(const GenerationOptions& options, const Model* model) {
        steer_error err{};
        detail::set_generation(get(), options, model == nullptr ? nullptr : model->get(), err);
        return detail::give(err);
    }

    void cancel(uint32_t turn = 0) noexcept { steer_session_cancel(get(), turn); }

    // ---- generation -----------------------------------------------------------------------------

    Returned<Step> step() {
        steer_error err{};
        Step out{};
        steer_session_step(get(), &out, sizeof(steer_step), &err);
        return detail::give(err, out);
    }

    // All of one model.
    static Returned<StepMany> step_many(std::span<Session* const> sessions) {
        std::vector<steer_session*> handles;
        for (const Session* session : sessions) handles.push_back(session == nullptr ? nullptr : session->get());
        StepMany out{std::vector<Step>(sessions.size()), {}};
        const steer_status status = steer_session_step_many(handles.data(), handles.size(), out.steps.data(),
                                                            sizeof(Step), &out.first_failure);
        return detail::give(status == STEER_OK ? steer_error{} : out.first_failure, std::move(out));
    }

    StepRange steps() { return StepRange(get()); }

    // Steps until the turn ends. function(const Step&) answers Flow, or nothing: go on. What it throws comes out here, and
    // the turn is cancelled then, as it is by Flow::stop.
    template<class Function> Returned<void> generate(Function&& function) {
        struct Call {
            std::remove_reference_t<Function>& function;
            detail::Carrier carrier{};
        } call{function};
        const auto door = [](void* user, const steer_step* c) -> int32_t {
            auto& self = *static_cast<Call*>(user);
            Step step{}; // as much of it as both know, whichever of library and header is the older
            std::memcpy(static_cast<steer_step*>(&step), c, (std::min<size_t>)(c->struct_size, sizeof(steer_step)));
            return self.carrier.run([&] { return answer(self.function, step); });
        };
        steer_error err{};
        steer_session_generate(get(), door, &call, &err);
        call.carrier.rethrow();
        return detail::give(err);
    }

    // ---- saved state ------------------------------------------------------------------------------

    Returned<std::vector<std::byte>> save_state(bool with_cache = false) const {
        return detail::fetch<std::vector<std::byte>>([&](std::byte* buf, size_t cap, size_t* size, steer_error* err) {
            return steer_session_state_save(get(), detail::flag(with_cache, STEER_STATE_CACHE), buf, cap, size, err);
        });
    }
    Returned<void> load_state(std::span<const std::byte> state) {
        steer_error err{};
        steer_session_state_load(get(), state.data(), state.size(), &err);
        return detail::give(err);
    }

  private:
    static constexpr const char* kNoStrength =
        "the injection is not one of this session, or the strength is not finite, or ramp_tokens is negative";

    template<class Make> static Returned<Session> made(Make&& make) {
        steer_error err{};
        Session session;
        make(session.out(), &err);
        return detail::give(err, std::move(session));
    }

    template<class Function> static Flow answer(Function& function, const Step& step) {
        using Answer = std::invoke_result_t<Function&, const Step&>;
        static_assert(std::is_void_v<Answer> || std::is_same_v<Answer, Flow>, "answer steer::Flow, or nothing");
        if constexpr (std::is_void_v<Answer>) {
            function(step);
            return Flow::go_on;
        } else {
            return function(step);
        }
    }
};

inline Returned<Tokens> Model::encode_chat(std::span<const Message> messages, const ChatOptions& options,
                                           const Session* prefer) const {
    Tokens tokens;
    steer_error err{};
    detail::encode_chat(get(), messages, options, prefer == nullptr ? nullptr : prefer->get(), tokens, err);
    return detail::give(err, std::move(tokens));
}

} // namespace steer::inline STEER_HPP_MODE
