// Chapters 8, 11 and 12 of the header.
#include "given.h"
#include "step.h"

#include <pybind11/stl.h>

#include <chrono>

namespace steer_python {
namespace {

using SessionPtr = std::unique_ptr<SessionObject>;
using StepPtr = std::unique_ptr<StepObject>;

SessionPtr create(ModelObject& model, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::SessionOptions options;
    given.take("context_max", options.context_max);
    given.take("prefill_chunk", options.prefill_chunk);
    given.take("injection_max", options.injection_max);
    given.take("gauge_max", options.gauge_max);
    given.take("twin", options.twin);
    given.none_left();
    return unlocked([&] { return std::make_unique<SessionObject>(steer::Session::create(*model, options)); });
}

SessionPtr fork(SessionObject& session) {
    return unlocked([&] { return std::make_unique<SessionObject>(session->fork()); });
}

py::dict info(SessionObject& session) {
    const steer_session_info found = unlocked([&] { return session->info(); });
    py::dict told;
    told["token_count"] = found.token_count;
    told["computed_count"] = found.computed_count;
    told["stale_from"] = found.stale_from < 0 ? py::object(py::none()) : py::object(py::int_(found.stale_from));
    told["context_max"] = found.context_max;
    told["turn"] = found.turn;
    told["reply_count"] = found.reply_count;
    told["seed"] = found.seed;
    told["cache_bytes"] = found.cache_bytes;
    return told;
}

// ---- the list of tokens ------------------------------------------------------------------------------------------------

py::tuple tokens(SessionObject& session) {
    const steer::Tokens found = unlocked([&] { return session->tokens(); });
    return py::make_tuple(to_array(found.ids), to_array(found.marks));
}

uint32_t set_tokens(SessionObject& session, int32_t position, const TokenArray& ids, const std::optional<MarkArray>& marks) {
    const auto list = to_span(ids);
    const auto spoken = marks ? to_span(*marks) : std::span<const uint8_t>();
    if (marks && spoken.size() != list.size()) throw py::value_error("marks: there must be as many as ids, or None");
    return unlocked([&] {
        const Conversation mine(session);
        return session->set_tokens(position, list, spoken);
    });
}

void refresh(SessionObject& session, int32_t position) {
    unlocked([&] {
        const Conversation mine(session);
        session->refresh(position);
    });
}

// ---- generation -----------------------------------------------------------------------------------------------------------

std::vector<steer_logit_bias> to_biases(const std::vector<std::pair<int32_t, float>>& biases) {
    std::vector<steer_logit_bias> made;
    for (const auto& [token, bias] : biases) made.push_back({token, bias});
    return made;
}

void set_generation(SessionObject& session, ModelObject* model, const py::kwargs& kwargs) {
    Given given(kwargs);
    steer::GenerationOptions options;
    given.take("token_max", options.token_max);
    given.take("seed", options.seed);
    given.take("temperature", options.temperature);
    given.take("top_p", options.top_p);
    given.take("min_p", options.min_p);
    given.take("typical_p", options.typical_p);
    given.take("top_k", options.top_k);
    given.take("repeat_penalty", options.repeat_penalty);
    given.take("presence_penalty", options.presence_penalty);
    given.take("frequency_penalty", options.frequency_penalty);
    given.take("penalty_window", options.penalty_window);
    given.take("top_log_probs", options.top_log_probs);
    given.take("prompt_log_probs", options.prompt_log_probs);
    given.take("constraint", kConstraints, options.constraint);
    given.take("constraint_text", options.constraint_text);
    given.take("stop_texts", options.stop_texts);
    given.take("stop_tokens", options.stop_tokens);
    std::vector<std::pair<int32_t, float>> biases;
    given.take("biases", biases);
    options.biases = to_biases(biases);
    given.take("kl_budget", options.kl_budget);
    given.take("guard", kGuards, options.guard);
    given.none_left();
    unlocked([&] { session->set_generation(options, model == nullptr ? nullptr : &**model); });
}

StepPtr step(SessionObject& session) {
    return unlocked([&] {
        Conversation mine(session);
        auto made = std::make_unique<StepObject>(session->step());
        mine.rethrow_observed();
        return made;
    });
}

StepPtr refused(const Failure& failure) {
    steer_step none{};
    none.status = failure.status(), none.token = -1;
    return std::make_unique<StepObject>(none, failure.error());
}

// The words that come with a batch are those of its first failure; another one is told by its status alone.
StepPtr row_of(const steer::Step& step, const steer_error& first_failure) {
    if (step.status == STEER_OK) return std::make_unique<StepObject>(step);
    if (step.status == first_failure.status) return std::make_unique<StepObject>(step, first_failure);
    return refused(Failure(step.status, steer::status_name(step.status)));
}

// Those that another thread is at work on do not take part; the others step together.
std::vector<StepPtr> step_many(const std::vector<SessionObject*>& sessions) {
    return unlocked([&] {
        std::vector<std::unique_ptr<Conversation>> mine(sessions.size());
        std::vector<StepPtr> made(sessions.size());
        std::vector<steer::Session*> stepping;
        for (size_t i = 0; i < sessions.size(); i++) {
            try {
                mine[i] = std::make_unique<Conversation>(*sessions[i]);
                stepping.push_back(&**sessions[i]);
            } catch (const Failure& busy) {
                made[i] = refused(busy);
            }
        }
        const steer::StepMany out = steer::Session::step_many(stepping);
        for (size_t i = 0, row = 0; i < sessions.size(); i++)
            if (!made[i]) made[i] = row_of(out.steps[row++], out.first_failure);
        for (const auto& conversation : mine)
            if (conversation) conversation->rethrow_observed();
        return made;
    });
}

// The rest of the turn in one call. The lock is taken ten times a second, to see whether somebody pressed a key.
std::vector<StepPtr> run(SessionObject& session) {
    using std::chrono::steady_clock;
    return unlocked([&] {
        Conversation mine(session);
        std::vector<StepPtr> steps;
        auto next_look = steady_clock::now() + std::chrono::milliseconds(100);
        session->generate([&](const steer::Step& one) {
            steps.push_back(std::make_unique<StepObject>(one));
            if (must_stop()) return steer::Flow::stop;
            if (steady_clock::now() < next_look) return steer::Flow::go_on;
            next_look = steady_clock::now() + std::chrono::milliseconds(100);
            const Locked locked;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            return steer::Flow::go_on;
        });
        mine.rethrow_observed();
        return steps;
    });
}

void cancel(SessionObject& session, uint32_t turn) {
    unlocked([&] { session->cancel(turn); });
}

// ---- saved state ------------------------------------------------------------------------------------------------------------

py::bytes save_state(SessionObject& session, bool with_cache) {
    const auto state = unlocked([&] {
        const Conversation mine(session);
        return session->save_state(with_cache);
    });
    return {reinterpret_cast<const char*>(state.data()), state.size()};
}

void load_state(SessionObject& session, const py::buffer& state) {
    const py::buffer_info bytes = state.request();
    unlocked([&] {
        const Conversation mine(session);
        session->load_state({static_cast<const std::byte*>(bytes.ptr), static_cast<size_t>(bytes.size * bytes.itemsize)});
    });
}

} // namespace

void bind_session(py::module_& module) {
    py::class_<SessionObject> session(module, "Session");
    session.def_static("create", create, py::arg("model"))
        .def_static("step_many", step_many, py::arg("sessions"))
        .def("close", [](SessionObject& self) {
            self.held.close();
            self.observer = py::object();
        })
        .def_property_readonly("closed", [](const SessionObject& self) { return self.held.closed(); })
        .def("fork", fork)
        .def("info", info)
        .def("tokens", tokens)
        .def("set_tokens", set_tokens, py::arg("position"), py::arg("ids"), py::arg("marks").none(true))
        .def("refresh", refresh, py::arg("position"))
        .def("set_generation", set_generation, py::arg("model").none(true))
        .def("step", step)
        .def("run", run)
        .def("cancel", cancel, py::arg("turn"))
        .def("save_state", save_state, py::arg("with_cache"))
        .def("load_state", load_state, py::arg("state"));
    bind_controls(session);
    bind_unstable(module, session);
}

} // namespace steer_python
