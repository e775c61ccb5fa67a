// Sequences of calls at the C door: bytes decide which call comes next, on which handles (living, freed, never made) and with
// which numbers. Every call is answered, and what was refused changed nothing.
#include "api_host.h"

#include <algorithm>

namespace hostile {
namespace {

steer_model* model() { // one for all scripts; a script may move its weights
    static const tiny::Folder folder([] {
        tiny::Options options;
        options.context = kApiContext, options.hidden = kApiHidden, options.layers = kApiLayers;
        return options;
    }());
    static steer_model* const one = [] {
        steer_model* loaded = nullptr;
        promise(ASK(steer_model_load(folder.path().c_str(), nullptr, &loaded, &err)), "the model does not load");
        return loaded;
    }();
    return one;
}

class Script {
  public:
    explicit Script(std::string_view bytes) : choose_(bytes) {
        promise(ASK(steer_model_set_residency(model(), STEER_RESIDENCY_DEVICE, nullptr, nullptr, &err)), "no weights");
    }
    ~Script() {
        for (const Conversation& one : sessions_) steer_session_free(one.handle); // the freed ones again
        for (steer_vector* vector : vectors_) steer_vector_free(vector);
        steer_model_set_residency(model(), STEER_RESIDENCY_NONE, nullptr, nullptr, nullptr); // no cache is left over
    }

    void run() {
        for (int calls = 0; calls < 80 && !choose_.empty(); ++calls) {
            static constexpr void (Script::*kCalls[])() = {
                &Script::create_session, &Script::set_tokens, &Script::step, &Script::step, &Script::step, &Script::inject,
                &Script::strength, &Script::gauge, &Script::fork, &Script::create_vector, &Script::refresh,
                &Script::generation, &Script::generate, &Script::step_many, &Script::save_and_load, &Script::cancel,
                &Script::remove, &Script::free_session, &Script::free_vector, &Script::combine, &Script::residency,
                &Script::words, &Script::chat, &Script::extract, &Script::buffers, &Script::saved_vector};
            (this->*kCalls[choose_.below(std::size(kCalls))])();
            for (const Conversation& one : sessions_)
                if (one.alive) check_conversation(one);
        }
    }

  private:
    Conversation& conversation() {
        static Conversation none;
        none = {reinterpret_cast<steer_session*>(uintptr_t{0x3000000500000001}), false, {}};
        if (sessions_.empty() || choose_.once_in(60)) return none;
        return sessions_[choose_.below(sessions_.size())];
    }
    steer_vector* vector() {
        if (vectors_.empty() || choose_.once_in(60)) return nullptr;
        return vectors_[choose_.below(vectors_.size())];
    }
    void keep(steer_session* handle, std::vector<int32_t> tokens) {
        if (sessions_.size() == 6) {
            steer_session_free(sessions_[0].handle);
            sessions_.erase(sessions_.begin());
        }
        sessions_.push_back({handle, true, std::move(tokens)});
    }
    void keep_vector(bool made, steer_vector* handle) {
        promise(made == (handle != nullptr), "a handle that does not go with the status");
        if (made) vectors_.push_back(handle);
    }

    void create_session() {
        static constexpr OptionField kFields[] = {
            INT_FIELD(steer_session_options, context_max), INT_FIELD(steer_session_options, prefill_chunk),
            INT_FIELD(steer_session_options, injection_max), INT_FIELD(steer_session_options, gauge_max),
            INT_FIELD(steer_session_options, twin), INT_FIELD(steer_session_options, struct_size)};
        steer_session_options options[2]; // room for a size that says more
        steer_session_options_init(options, sizeof options);
        options[0].struct_size = sizeof options[0];
        if (choose_.once_in(3)) disturb(options[0], choose_, kFields);
        if (options[0].struct_size > sizeof options) options[0].struct_size = sizeof options;
        steer_session* made = nullptr;
        const bool ok = ASK(steer_session_create(model(), options, &made, &err));
        promise(ok == (made != nullptr), "a handle that does not go with the status");
        if (ok) keep(made, {});
    }

    void set_tokens() {
        Conversation& to = conversation();
        const auto before = static_cast<int32_t>(to.tokens.size());
        const int32_t position = choose_.once_in(3) ? choose_.number() : choose_.once_in(2) ? -1 : before / 2;
        std::vector<int32_t> ids(choose_.size());
        std::vector<uint8_t> marks(ids.size());
        for (size_t i = 0; i < ids.size(); ++i) ids[i] = i < 4 ? choose_.token() : 'a' + static_cast<int32_t>(i % 7);
        for (size_t i = 0; i < marks.size(); ++i) marks[i] = i < 4 ? choose_.byte() : static_cast<uint8_t>(i % 2);
        uint32_t turn = 77;
        const bool marked = choose_.once_in(2);
        const bool ok = ASK(steer_session_set_tokens(to.handle, position, ids.data(), marked ? marks.data() : nullptr, ids.size(),
                                                     &turn, &err));
        promise(ok == (turn != 0), "a turn that does not go with the status");
        if (!ok) return;
        to.tokens.resize(static_cast<size_t>(position == -1 ? before : position));
        to.tokens.insert(to.tokens.end(), ids.begin(), ids.end());
    }

    void step() {
        Conversation& one = conversation();
        steer_step out;
        std::memset(&out, 0xee, sizeof out);
        const bool ok = ASK(steer_session_step(one.handle, &out, sizeof out, &err));
        promise(ok == (out.status == STEER_OK), "a step with two statuses");
        take_step(one, out);
    }

    void step_many() {
        std::vector<Conversation*> asked(choose_.below(5));
        std::vector<steer_session*> handles;
        for (Conversation*& one : asked) handles.push_back((one = &conversation())->handle);
        const size_t size = choose_.once_in(8) ? choose_.size() : sizeof(steer_step);
        std::vector<char> outs(asked.size() * std::max(size, sizeof(steer_step)) + 1, '\x11');
        steer_error err{}; // of the first that failed, where the call was made all the same
        const steer_status status = steer_session_step_many(handles.data(), handles.size(),
                                                            reinterpret_cast<steer_step*>(outs.data()), size, &err);
        promise(good(err.status, err) ? status == STEER_OK : status == STEER_OK || status == err.status, "two statuses");
        promise(outs.back() == '\x11', "written behind the end");
        for (size_t i = 0; status == STEER_OK && i < asked.size(); ++i) {
            steer_step out{};
            std::memcpy(&out, outs.data() + i * size, std::min(size, sizeof out));
            if (size >= sizeof out) take_step(*asked[i], out);
            else if (size < offsetof(steer_step, token) + 4) resync(*asked[i]);
            else if (out.status == STEER_OK) note_tokens(*asked[i], out);
        }
    }

    // Where the outcome was cut before its token: what the session says now is what it holds.
    void resync(Conversation& one) {
        if (!one.alive) return;
        size_t count = 0;
        one.tokens.resize(kApiContext);
        promise(ASK(steer_session_get_tokens(one.handle, one.tokens.data(), nullptr, one.tokens.size(), &count, &err)), "no tokens");
        one.tokens.resize(count);
    }

    void fork() {
        const Conversation from = conversation();
        steer_session* made = nullptr;
        const bool ok = ASK(steer_session_fork(from.handle, &made, &err));
        promise(ok == (made != nullptr) && ok == from.alive, "a fork that does not go with the session");
        if (!ok) return;
        keep(made, from.tokens);
        if (choose_.once_in(2)) compare_next(sessions_.back());
    }

    // The same conversation goes on the same way.
    void compare_next(Conversation& other) {
        steer_session* again = nullptr;
        promise(ASK(steer_session_fork(other.handle, &again, &err)), "a fork of a fork");
        steer_step a, b;
        ASK(steer_session_step(other.handle, &a, sizeof a, &err));
        ASK(steer_session_step(again, &b, sizeof b, &err));
        const bool same = a.status == b.status && a.token == b.token && a.finish == b.finish && a.position == b.position &&
                          std::memcmp(&a.log_prob, &b.log_prob, sizeof a.log_prob) == 0 &&
                          std::string_view(a.text.data, a.text.size) == std::string_view(b.text.data, b.text.size) &&
                          a.gauge_count == b.gauge_count &&
                          std::memcmp(a.gauges, b.gauges, a.gauge_count * sizeof(float)) == 0 &&
                          a.strength_count == b.strength_count &&
                          std::memcmp(a.strengths, b.strengths, a.strength_count * sizeof(float)) == 0;
        promise(same, "a conversation and its fork went on in different ways");
        steer_session_free(again);
        take_step(other, a);
    }

    void refresh() {
        Conversation& one = conversation();
        const int32_t position = choose_.number();
        if (ASK(steer_session_refresh(one.handle, position, &err)))
            promise(info_of(one).computed_count <= position, "computed behind a refresh");
    }

    void generation() {
        using Options = steer_generation_options;
        static constexpr OptionField kFields[] = {
            INT_FIELD(Options, token_max), INT_FIELD(Options, seed), REAL_FIELD(Options, temperature), REAL_FIELD(Options, top_p),
            REAL_FIELD(Options, min_p), REAL_FIELD(Options, typical_p), INT_FIELD(Options, top_k),
            REAL_FIELD(Options, repeat_penalty), REAL_FIELD(Options, presence_penalty), REAL_FIELD(Options, frequency_penalty),
            INT_FIELD(Options, penalty_window), INT_FIELD(Options, top_log_probs), INT_FIELD(Options, prompt_log_probs),
            INT_FIELD(Options, constraint), REAL_FIELD(Options, kl_budget), INT_FIELD(Options, guard)};
        Options options;
        steer_generation_options_init(&options, sizeof options, choose_.once_in(2) ? model() : nullptr);
        options.seed = 7;
        disturb(options, choose_, kFields);
        const std::string_view stop = choose_.text(6);
        const steer_view stops[] = {{"a", 1}, {"\xE3\x81\x82", 3}, {stop.data(), stop.size()}};
        int32_t tokens[2] = {choose_.token(), tiny::kImEnd};
        steer_logit_bias biases[3] = {{choose_.token(), choose_.real()}, {choose_.token(), choose_.real()}, {'b', 2.0f}};
        options.stop_texts = stops, options.stop_text_count = choose_.below(4);
        options.biases = biases, options.bias_count = choose_.below(4);
        if (choose_.once_in(2)) options.stop_tokens = tokens, options.stop_token_count = choose_.below(3);
        ASK(steer_session_set_generation(conversation().handle, &options, &err));
    }

    // Inside the callback the conversation is busy, the controls are not, and the session may even be freed.
    struct Inside {
        Script& script;
        Conversation& one;
        int calls = 0;
    };
    static int32_t on_step(void* user, const steer_step* step) {
        auto& inside = *static_cast<Inside*>(user);
        take_step(inside.one, *step);
        Choices& choose = inside.script.choose_;
        steer_step out;
        if (choose.once_in(4))
            promise(steer_session_step(inside.one.handle, &out, sizeof out, nullptr) == STEER_ERR_BUSY, "stepped within a step");
        if (choose.once_in(4)) inside.script.strength();
        if (choose.once_in(8)) steer_session_cancel(inside.one.handle, static_cast<uint32_t>(choose.number()));
        if (choose.once_in(20)) {
            steer_session_free(inside.one.handle);
            inside.one.alive = false;
        }
        return ++inside.calls >= 6;
    }
    void generate() {
        Conversation& one = conversation();
        const bool alive = one.alive;
        Inside inside{*this, one};
        const bool ok = ASK(steer_session_generate(one.handle, on_step, &inside, &err));
        promise(!ok || (alive && one.alive), "a session that is not there went on");
    }

    void save_and_load() {
        Conversation& from = conversation();
        Conversation& to = conversation();
        const uint32_t flags = choose_.once_in(8) ? static_cast<uint32_t>(choose_.number()) : choose_.byte() % 2;
        size_t size = 0;
        if (!ASK(steer_session_state_save(from.handle, flags, nullptr, 0, &size, &err))) return;
        std::vector<char> bytes(size);
        promise(ASK(steer_session_state_save(from.handle, flags, bytes.data(), size, &size, &err)), "saved once, and not again");
        if (choose_.once_in(4)) bytes[choose_.byte() % size] ^= static_cast<char>(1 + choose_.byte() % 255);
        else if (choose_.once_in(8)) size -= choose_.size() % size;
        const bool same = to.handle == from.handle;
        if (!ASK(steer_session_state_load(to.handle, bytes.data(), size, &err))) return;
        if (!same) to.tokens = from.tokens;
    }

    void cancel() { steer_session_cancel(conversation().handle, static_cast<uint32_t>(choose_.number())); }

    void create_vector() {
        const size_t hidden = choose_.once_in(16) ? choose_.size() % 17 : size_t{kApiHidden};
        const size_t count = choose_.once_in(16) ? choose_.size() % 5 : size_t{kApiLayers};
        float rows[5 * 17];
        for (float& number : rows) number = 0.25f;
        for (size_t n = choose_.below(3); n > 0; --n) rows[choose_.below(std::size(rows))] = choose_.real();
        static constexpr OptionField kFields[] = {INT_FIELD(steer_vector_options, layer_begin),
                                                  INT_FIELD(steer_vector_options, site_measured),
                                                  INT_FIELD(steer_vector_options, site_applied)};
        steer_vector_options options;
        steer_vector_options_init(&options, sizeof options);
        disturb(options, choose_, kFields);
        options.model = choose_.once_in(2) ? model() : nullptr;
        options.name = choose_.once_in(2) ? "v" : nullptr;
        steer_vector* made = nullptr;
        const bool ok = ASK(steer_vector_create(rows, count, hidden, &options, &made, &err));
        keep_vector(ok, made);
    }

    void combine() {
        const steer_vector* from[] = {vector(), vector(), vector()};
        const float weights[] = {1.0f, choose_.real(), choose_.real()};
        steer_vector* made = nullptr;
        const bool ok = ASK(steer_vector_combine(from, weights, choose_.below(4), choose_.real(), &made, &err));
        keep_vector(ok, made);
    }

    // Any bytes as a vector, and a vector as its own bytes.
    void saved_vector() {
        const std::string_view bytes = choose_.text(255);
        steer_vector_options options;
        steer_vector_options_init(&options, sizeof options);
        options.data = bytes.data(), options.data_size = bytes.size();
        steer_vector* made = nullptr;
        const bool ok = ASK(steer_vector_load("bytes", &options, &made, &err));
        keep_vector(ok, made);
        steer_vector_info info;
        steer_vector_layer layer;
        steer_vector* const known = vector();
        if (!ASK(steer_vector_get_info(known, &info, sizeof info, &err))) return;
        promise(info.layer_begin < info.layer_end && info.hidden_size > 0 && info.name != nullptr, "an odd vector");
        ASK(steer_vector_get_layer(known, choose_.number(), choose_.number(), &layer, sizeof layer, &err));
        char text[64];
        size_t size;
        ASK(steer_vector_get_metadata(known, text, choose_.below(64), &size, &err));
    }

    void inject() {
        using Options = steer_injection_options;
        static constexpr OptionField kFields[] = {
            INT_FIELD(Options, op), INT_FIELD(Options, layer_begin), INT_FIELD(Options, layer_end), INT_FIELD(Options, unit),
            INT_FIELD(Options, span), INT_FIELD(Options, rows), REAL_FIELD(Options, strength), REAL_FIELD(Options, strength_min),
            REAL_FIELD(Options, strength_max), REAL_FIELD(Options, low), REAL_FIELD(Options, high),
            INT_FIELD(Options, hold_gauge), REAL_FIELD(Options, hold_target), REAL_FIELD(Options, hold_rate)};
        Options options;
        steer_injection_options_init(&options, sizeof options);
        options.vector = vector();
        options.strength = choose_.real();
        disturb(options, choose_, kFields);
        const float scales[kApiLayers] = {1.0f, choose_.real(), 0.5f};
        if (choose_.once_in(8)) options.layer_scales = scales, options.layer_begin = 0, options.layer_end = kApiLayers;
        steer_condition conditions[2];
        for (steer_condition& one : conditions)
            one = {choose_.once_in(8) ? static_cast<uint32_t>(choose_.number()) : gauge_, static_cast<int32_t>(choose_.below(2)),
                   static_cast<int32_t>(choose_.below(2)), choose_.real(), choose_.real(), static_cast<uint32_t>(choose_.below(2))};
        if (choose_.once_in(3)) options.conditions = conditions, options.condition_count = static_cast<uint32_t>(choose_.below(3));
        const bool ok = ASK(steer_injection_add(conversation().handle, &options, &injection_, &err));
        promise(ok == (injection_ != 0), "an id that does not go with the status");
    }

    void strength() {
        const steer_injection_id id = choose_.once_in(16) ? static_cast<uint32_t>(choose_.number()) : injection_;
        const steer_status status = steer_injection_set(conversation().handle, id, choose_.real(), choose_.number());
        promise(status == STEER_OK || status == STEER_ERR_ARG, "a set that is neither good nor refused");
    }

    void gauge() {
        using Options = steer_gauge_options;
        static constexpr OptionField kFields[] = {
            INT_FIELD(Options, metric), INT_FIELD(Options, layer_begin), INT_FIELD(Options, layer_end), INT_FIELD(Options, reduce),
            INT_FIELD(Options, reading), INT_FIELD(Options, tap), INT_FIELD(Options, scale), INT_FIELD(Options, window),
            INT_FIELD(Options, rows)};
        Options options;
        steer_gauge_options_init(&options, sizeof options);
        options.vector = vector();
        disturb(options, choose_, kFields);
        const bool ok = ASK(steer_gauge_add(conversation().handle, &options, &gauge_, &err));
        promise(ok == (gauge_ != 0), "an id that does not go with the status");
    }

    void remove() {
        Conversation& from = conversation();
        if (choose_.once_in(2)) ASK(steer_injection_remove(from.handle, injection_, &err));
        else ASK(steer_gauge_remove(from.handle, gauge_, &err));
    }

    void free_session() {
        Conversation& one = conversation();
        steer_session_free(one.handle);
        one.alive = false;
    }
    void free_vector() { steer_vector_free(vector()); } // its handle stays, stale

    void residency() {
        const int32_t to = choose_.once_in(4) ? choose_.number() : static_cast<int32_t>(choose_.below(3));
        ASK(steer_model_set_residency(model(), to, nullptr, nullptr, &err));
    }

    void words() {
        const std::string_view text = choose_.text(60);
        const uint32_t flags = choose_.once_in(8) ? static_cast<uint32_t>(choose_.number()) : choose_.byte() % 2;
        int32_t ids[256];
        char back[1024];
        size_t count = 0, size = 0;
        if (!ASK(steer_text_encode(model(), text.data(), text.size(), flags, ids, std::size(ids), &count, &err))) return;
        promise(ASK(steer_text_decode(model(), ids, count, STEER_TEXT_SPECIAL, back, sizeof back, &size, &err)), "ids not decoded");
        promise(steer::is_valid_utf8({back, size}), "text that is not UTF-8");
        ids[0] = choose_.number();
        ASK(steer_text_decode(model(), ids, 1, flags, back, sizeof back, &size, &err));
    }

    void chat() {
        const auto view = [](std::string_view text) { return steer_view{text.data(), text.size()}; };
        const steer_chat_message messages[] = {{view("user"), view(choose_.text(20)), {}},
                                               {view(choose_.text(4)), view("hi"), view(choose_.once_in(4) ? "{\"a\":1}" : "")}};
        steer_chat chat;
        steer_chat_init(&chat, sizeof chat);
        chat.messages = messages, chat.message_count = choose_.below(3);
        chat.flags = choose_.byte() % 5;
        if (choose_.once_in(8)) chat.template_text = view(choose_.text(60));
        int32_t ids[512];
        uint8_t marks[512];
        size_t count = 0;
        Conversation& prefer = conversation();
        if (!ASK(steer_chat_encode(model(), &chat, choose_.once_in(2) ? prefer.handle : nullptr, ids, marks, 512, &count, &err))) return;
        Conversation& to = conversation();
        if (ASK(steer_session_set_tokens(to.handle, 0, ids, marks, count, nullptr, &err))) to.tokens.assign(ids, ids + count);
    }

    void extract() {
        const steer_passage yes{{}, {"q", 1}, {"yes", 3}}, no{{}, {"q", 1}, {"no", 2}}, plain{{}, {}, {"x", 1}};
        const steer_contrast_pair pairs[] = {{yes, no, 1}, {plain, no, 2}, {yes, plain, 3}};
        static constexpr OptionField kFields[] = {
            INT_FIELD(steer_extract_options, layer_begin), INT_FIELD(steer_extract_options, layer_end),
            INT_FIELD(steer_extract_options, method), INT_FIELD(steer_extract_options, pooling),
            REAL_FIELD(steer_extract_options, holdout)};
        steer_extract_options options;
        steer_extract_options_init(&options, sizeof options);
        disturb(options, choose_, kFields);
        steer_vector* made = nullptr;
        const bool ok = ASK(steer_vector_extract(model(), pairs, choose_.below(4), &options, &made, &err));
        keep_vector(ok, made);
    }

    // Sizes that do not fit: nothing is written.
    void buffers() {
        Conversation& one = conversation();
        int32_t ids[8];
        std::fill(std::begin(ids), std::end(ids), -5);
        size_t count = 0;
        const size_t cap = choose_.below(9);
        const bool ok = ASK(steer_session_get_tokens(one.handle, ids, nullptr, cap, &count, &err));
        for (size_t i = ok ? count : 0; i < 8; ++i) promise(ids[i] == -5, "written where nothing fits");
        if (one.alive) promise(ok == (one.tokens.size() <= cap) && count == one.tokens.size(), "another size");
        ASK(steer_model_get_text(model(), choose_.number(), reinterpret_cast<char*>(ids), choose_.below(9), &count, &err));
    }

    Choices choose_;
    std::vector<Conversation> sessions_;
    std::vector<steer_vector*> vectors_;
    steer_injection_id injection_ = 0;
    steer_gauge_id gauge_ = 0;
};

void read(std::string_view bytes) { Script(bytes).run(); }
void check(std::string_view) {}
std::vector<Bad> none() { return {}; }

// Calls by their place in the table above, each followed by its choices.
std::vector<Seed> seeds() {
    const auto script = [](const char* name, std::initializer_list<int> bytes) {
        Seed seed{name, {}, {}};
        for (const int byte : bytes) seed.bytes += static_cast<char>(byte);
        return seed;
    };
    return {
        script("a reply", {0, 0, 1, 0, 0, 0, 1, 4, 0, 'h', 0, 'e', 0, 'l', 0, 'l', 0, 0, 0, 0, 1, 2, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0}),
        script("steered", {0, 0, 9, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 3, 0, 'a', 0, 'b', 0, 'c', 0, 0, 0, 1, 5, 0, 0, 2, 0, 2, 0, 0, 0,
                           7, 0, 0, 0, 0, 0, 2, 0, 0, 6, 0, 0, 0, 4, 3, 2, 0, 0, 8, 0, 0, 1, 2, 0, 1}),
        script("generated", {0, 0, 1, 0, 0, 0, 1, 2, 0, 'a', 0, 'b', 0, 0, 1, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 1, 0, 0, 0, 0, 0,
                             0, 0, 0, 14, 0, 0, 0, 0, 1, 1, 10, 0, 0, 2, 13, 2, 0, 0, 0, 0, 1}),
        script("moved", {0, 0, 1, 0, 0, 0, 1, 6, 0, 'x', 0, 'y', 0, 'z', 0, 'w', 0, 0, 0, 0, 1, 2, 0, 0, 20, 0, 1, 2, 0, 0, 20, 0, 0, 2, 0,
                         0, 17, 0, 0, 2, 0, 0, 21, 5, 'h', 'e', 'l', 'l', 'o', 0, 1, 22, 3, 'a', 'b', 'c', 0, 0, 1, 1, 0, 0, 0, 0}),
    };
}

} // namespace

Reader api_reader() {
    return {"api", read, check, none, 0, seeds, {}, ""};
}

} // namespace hostile
