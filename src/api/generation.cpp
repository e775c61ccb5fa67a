// Chapter 11 of the header: how replies are sampled, and the steps that make them.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"

#include <limits>

using namespace steer;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

steer_generation_options options_of(const Generation& generation) {
    const SamplingSettings& sampling = generation.sampling;
    steer_generation_options options{};
    options.struct_size = sizeof options;
    options.token_max = generation.token_max;
    options.temperature = sampling.temperature;
    options.top_p = sampling.top_p;
    options.min_p = sampling.min_p;
    options.typical_p = sampling.typical_p;
    options.top_k = sampling.top_k;
    options.repeat_penalty = sampling.repeat_penalty;
    options.presence_penalty = sampling.presence_penalty;
    options.frequency_penalty = sampling.frequency_penalty;
    options.penalty_window = sampling.penalty_window;
    options.kl_budget = kInfinity;
    return options;
}

SamplingSettings read_sampling(const steer_generation_options& options, int32_t vocab_size) {
    SamplingSettings sampling;
    sampling.temperature = check_range(options.temperature, 0.0f, 1e6f, "temperature");
    sampling.top_p = check_range(options.top_p, 0.0f, 1.0f, "top_p");
    sampling.min_p = check_range(options.min_p, 0.0f, 1.0f, "min_p");
    sampling.typical_p = check_range(options.typical_p, 0.0f, 1.0f, "typical_p");
    sampling.top_k = check_int(options.top_k, 0, INT32_MAX, "top_k");
    sampling.repeat_penalty = check_range(options.repeat_penalty, 1e-3f, 1e3f, "repeat_penalty");
    sampling.presence_penalty = check_range(options.presence_penalty, -1e3f, 1e3f, "presence_penalty");
    sampling.frequency_penalty = check_range(options.frequency_penalty, -1e3f, 1e3f, "frequency_penalty");
    sampling.penalty_window = check_int(options.penalty_window, -1, INT32_MAX, "penalty_window");
    if (!(options.kl_budget >= 0.0f))
        fail(STEER_ERR_ARG, "kl_budget is {}: it is 0 or more nats, INFINITY for no limit", options.kl_budget);
    sampling.kl_budget = options.kl_budget;
    sampling.top_log_probs = check_int(options.top_log_probs, 0, 20, "top_log_probs");
    const auto biases = read_array(options.biases, options.bias_count, "biases");
    for (size_t i = 0; i < biases.size(); i++) {
        const auto [token, bias] = biases[i];
        check_int(token, 0, vocab_size - 1, "a bias's token");
        if (!(bias < kInfinity)) fail(STEER_ERR_ARG, "biases[{}] is {}: it must be finite or -INFINITY", i, bias);
        sampling.biases.push_back({token, bias});
    }
    return sampling;
}

constraint::ConstraintPtr read_constraint(const steer_generation_options& options, Model& model) {
    const int32_t kind = check_enum(options.constraint, STEER_CONSTRAINT_JSON_SCHEMA, "constraint");
    const std::string_view schema = read_view(options.constraint_text, "constraint_text");
    if (kind != STEER_CONSTRAINT_JSON_SCHEMA && !schema.empty())
        fail(STEER_ERR_ARG, "constraint_text is given, constraint is not JSON_SCHEMA");
    if (kind == STEER_CONSTRAINT_NONE) return nullptr;
    if (kind == STEER_CONSTRAINT_JSON_SCHEMA && schema.empty())
        fail(STEER_ERR_ARG, "constraint is JSON_SCHEMA, constraint_text is absent: it is the schema");
    if (options.stop_text_count > 0)
        fail(STEER_ERR_ARG, "stop_texts beside a constraint: one of them would cut the JSON in the middle");
    auto constraint = model.constraints().get(schema);
    if (options.token_max > 0 && static_cast<uint32_t>(options.token_max) < constraint->tokens_min())
        fail(STEER_ERR_ARG, "token_max is {}, the shortest text that the constraint allows takes up to {} tokens",
             options.token_max, constraint->tokens_min());
    return constraint;
}

Generation read_generation(const steer_generation_options& options, Model& model) {
    const int32_t vocab_size = model.config().vocab_size;
    Generation generation;
    generation.sampling = read_sampling(options, vocab_size);
    generation.token_max = check_int(options.token_max, 0, INT32_MAX, "token_max");
    generation.seed = options.seed;
    generation.guard = check_enum(options.guard, STEER_GUARD_STOP, "guard");
    generation.prompt_log_probs = check_int(options.prompt_log_probs, 0, 1, "prompt_log_probs") != 0;
    const auto stop_texts = read_array(options.stop_texts, options.stop_text_count, "stop_texts");
    for (size_t i = 0; i < stop_texts.size(); i++) {
        const std::string_view text = read_view(stop_texts[i], "a stop text");
        if (text.empty()) fail(STEER_ERR_ARG, "stop_texts[{}] is empty", i);
        generation.stop_texts.emplace_back(text);
    }
    if (options.stop_tokens == nullptr) {
        if (options.stop_token_count != 0) fail(STEER_ERR_ARG, "stop_tokens is NULL, stop_token_count is not 0");
        generation.stop_tokens = model.generation().stop_tokens;
    }
    for (const int32_t token : read_array(options.stop_tokens, options.stop_token_count, "stop_tokens"))
        generation.stop_tokens.push_back(check_int(token, 0, vocab_size - 1, "a stop token"));
    generation.constraint = read_constraint(options, model);
    return generation;
}

void write_step(void* out, size_t out_size, const steer_step& step) {
    steer_step told = step;
    told.struct_size = static_cast<uint32_t>(std::min(out_size, sizeof told));
    write_out(static_cast<steer_step*>(out), out_size, told);
}

void write_refusal(void* out, size_t out_size, steer_status status) noexcept {
    StepOutcome refused;
    refused.refuse(0, status, "");
    write_step(out, out_size, refused.step);
}

} // namespace

extern "C" {

void steer_generation_options_init(steer_generation_options* o, size_t struct_size, const steer_model* m) {
    write_defaults(o, struct_size, options_of(Generation{}));
    guard_void([&] {
        if (const PinnedModel model(m); model) write_defaults(o, struct_size, options_of(model->generation()));
    });
}

steer_status steer_session_set_generation(steer_session* s, const steer_generation_options* o, steer_error* err) {
    return guard(err, [&] {
        const PinnedSession session(s, "session");
        Model& model = session->model();
        const auto options = read_options(o, options_of(model.generation()), "steer_generation_options");
        Generation generation = read_generation(options, model);
        if (generation.sampling.kl_budget != kInfinity && !session->has_twin())
            fail(STEER_ERR_ARG, "kl_budget is for a session with a twin: steer_session_options.twin = 1");
        session->set_generation(std::move(generation));
    });
}

steer_status steer_session_step(steer_session* s, steer_step* out, size_t out_size, steer_error* err) {
    bool written = false;
    const steer_status status = guard(err, [&] {
        need_out(out, out_size);
        const PinnedSession session(s, "session");
        session->step([&](const StepOutcome& outcome) {
            write_step(out, out_size, outcome.step);
            written = true;
            if (outcome.step.status != STEER_OK) fail(outcome.step.status, "{}", outcome.message);
        });
    });
    if (!written && out != nullptr && out_size > 0) write_refusal(out, out_size, status);
    return status;
}

steer_status steer_session_step_many(steer_session* const* ss, size_t count, steer_step* outs, size_t out_size,
                                     steer_error* err) {
    StepOutcome failed; // the first
    failed.step.status = STEER_OK;
    const auto out_of = [&](size_t i) { return reinterpret_cast<char*>(outs) + i * out_size; };
    const steer_status status = guard(err, [&] {
        if (count == 0) return;
        read_array(ss, count, "ss");
        need_out(outs, out_size);
        check_count(count, out_size, "count");
        for (size_t i = 0; i < count; i++) write_refusal(out_of(i), out_size, STEER_ERR_ARG);
        std::vector<std::shared_ptr<Session>> sessions;
        std::vector<size_t> owners; // of sessions
        std::vector<PinnedSession> pins;
        pins.reserve(count);
        const auto note_failure = [&](steer_status why, const std::string& words) {
            if (failed.step.status != STEER_OK) return;
            failed.step.status = why;
            failed.message = words;
        };
        for (size_t i = 0; i < count; i++) {
            PinnedSession pin(ss[i]);
            if (!pin) {
                note_failure(STEER_ERR_ARG, fmt::format("ss[{}] is not a live session", i));
                continue;
            }
            if (!pins.empty() && &pin->model() != &pins[0]->model())
                fail(STEER_ERR_ARG, "ss[{}] is a session of another model than those before it", i);
            sessions.push_back(pin.share());
            owners.push_back(i);
            pins.push_back(std::move(pin));
        }
        try {
            Session::step_many(sessions, [&](size_t i, const StepOutcome& outcome) {
                write_step(out_of(owners[i]), out_size, outcome.step);
                if (outcome.step.status != STEER_OK) note_failure(outcome.step.status, outcome.message);
            });
        } catch (...) {
            const steer_status why = report_exception(nullptr);
            for (const size_t i : owners) write_refusal(out_of(i), out_size, why);
            throw;
        }
    });
    if (status == STEER_OK && failed.step.status != STEER_OK) report(err, failed.step.status, failed.message.c_str());
    return status;
}

steer_status steer_session_generate(steer_session* s, steer_step_fn fn, void* user, steer_error* err) {
    return guard(err, [&] {
        if (fn == nullptr) fail(STEER_ERR_ARG, "fn is NULL");
        const PinnedSession session(s, "session");
        session->generate([&](const steer_step& step) { return call_host([&] { return fn(user, &step); }) == 0; });
    });
}

void steer_session_cancel(steer_session* s, uint32_t turn) {
    if (s == nullptr || is_forked_child()) return;
    if (const SignalPinnedSession session(s); session) session->cancel(turn);
}

} // extern "C"
