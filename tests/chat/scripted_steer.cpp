// A stand-in for libsteer that says what a test wrote down, at the pace that the test wants. It implements the part of
// steer.h that the console chat calls. What the chat shows can so be tested to the character; that the chat works on
// the real library is tested with the real one.
//
// Environment: SCRIPT_REPLY the reply ("|" cuts it into tokens; else one token a character), SCRIPT_DELAY_MS a token,
// SCRIPT_FAIL_AT and SCRIPT_HANG_AT a token number, SCRIPT_PROMPT_STEPS, SCRIPT_CONTEXT tokens, SCRIPT_UNTIED=1,
// SCRIPT_LEGACY=1, SCRIPT_STATISTICS=0, SCRIPT_WARN. An answer tells what the stand-in heard where the reply is "ECHO":
// the roles and texts of all messages.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "steer/steer.h"

namespace {

constexpr int layers = 6, hidden = 4;
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

std::string setting(const char* name, const char* otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? text : otherwise;
}
int number(const char* name, int otherwise) {
    return std::atoi(setting(name, std::to_string(otherwise).c_str()).c_str());
}

steer_status fail(steer_error* error, steer_status status, const std::string& words) {
    if (error != nullptr) {
        error->status = status;
        std::snprintf(error->message, sizeof error->message, "%s", words.c_str());
    }
    return status;
}

std::vector<std::string> cut(const std::string& reply) {
    std::vector<std::string> tokens;
    if (reply.find('|') != std::string::npos) {
        for (std::size_t at = 0; at <= reply.size();) {
            const std::size_t end = std::min(reply.find('|', at), reply.size());
            tokens.push_back(reply.substr(at, end - at));
            at = end + 1;
        }
        return tokens;
    }
    for (char c : reply) {
        if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !tokens.empty())
            tokens.back() += c;
        else
            tokens.push_back(std::string(1, c));
    }
    return tokens;
}

steer_log_fn log_fn = nullptr;
void* log_user = nullptr;
std::string heard; // what the last chat_encode was given

void warn(const std::string& text) {
    if (log_fn != nullptr) log_fn(log_user, STEER_LOG_WARN, text.data(), text.size());
}

} // namespace

struct steer_model {
    std::string path;
    int32_t weights;
};
struct steer_vector {
    std::string name;
    float row[hidden] = {1, 0, 0, 0};
};
struct steer_session {
    std::atomic<uint32_t> turn{0}, cancelled{0};
    std::atomic<float> strengths[256];
    std::atomic<int> ramp{0};
    std::atomic<float> ramp_from{0}, ramp_to{0};
    std::atomic<int> ramp_length{0};
    std::vector<int> gauge_reading, gauge_layer;
    uint32_t injections = 0;
    int token_max = 128, length = 0, given = 0, prompt_steps = 0;
    std::vector<std::string> reply;
    std::vector<float> gauges, in_force;
};

extern "C" {

uint32_t steer_version(void) { return STEER_VERSION; }
const char* steer_status_name(steer_status) { return "a scripted failure"; }
void steer_log_set(steer_log_fn fn, void* user, int32_t) {
    log_fn = fn;
    log_user = user;
}

void steer_model_options_init(steer_model_options* o, size_t size) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
}
steer_status steer_model_load(const char* path, const steer_model_options* o, steer_model** out, steer_error* err) {
    if (!std::filesystem::exists(std::string(path) + "/config.json")) {
        return fail(err, STEER_ERR_IO, std::string("no config.json in ") + path);
    }
    for (int i = 0; i <= 4; ++i) {
        if (o->progress_fn != nullptr && o->progress_fn(o->progress_user, static_cast<float>(i) / 4) != 0) {
            return fail(err, STEER_ERR_CANCELLED, "stopped");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(number("SCRIPT_LOAD_MS", 0) / 4));
    }
    *out = new steer_model{path, o->weights};
    return STEER_OK;
}
void steer_model_free(steer_model* m) { delete m; }
steer_status steer_model_get_info(const steer_model* m, steer_model_info* out, size_t size, steer_error*) {
    steer_model_info info{};
    info.layer_count = layers;
    info.hidden_size = hidden;
    info.context_max = number("SCRIPT_CONTEXT", 1000);
    info.dtype = STEER_DTYPE_F32;
    info.weights = m->weights;
    info.device = -1;
    info.fingerprint[0] = 7;
    std::memcpy(out, &info, size);
    return STEER_OK;
}
steer_status steer_model_get_text(const steer_model*, int32_t, char*, size_t, size_t* size, steer_error*) {
    *size = 0;
    return STEER_OK;
}

void steer_vector_options_init(steer_vector_options* o, size_t size) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
}
// A vector file holds its name; "other model" in it does not fit, "not a vector" is none.
steer_status steer_vector_load(const char* path, const steer_vector_options*, steer_vector** out, steer_error* err) {
    std::ifstream in(path);
    std::string text;
    if (!std::getline(in, text)) return fail(err, STEER_ERR_IO, std::string("cannot read ") + path);
    if (text == "not a vector") return fail(err, STEER_ERR_FORMAT, "no rows");
    if (text == "other model") return fail(err, STEER_ERR_MISMATCH, "made for another model");
    if (number("SCRIPT_UNTIED", 0) != 0) warn(std::string(path) + " does not say which model it was made for");
    *out = new steer_vector{text};
    return STEER_OK;
}
void steer_vector_free(steer_vector* v) { delete v; }
steer_status steer_vector_get_info(const steer_vector* v, steer_vector_info* out, size_t size, steer_error*) {
    steer_vector_info info{};
    info.layer_begin = 1;
    info.layer_end = layers;
    info.hidden_size = hidden;
    info.best_begin = 2;
    info.best_end = 4;
    info.gauge_layer = 4;
    info.site_measured = STEER_SITE_OUTPUT;
    info.site_applied = number("SCRIPT_LEGACY", 0) != 0 ? STEER_SITE_INPUT : STEER_SITE_OUTPUT;
    info.strength_safe = nan_value;
    info.fingerprint[0] = 9;
    info.model_fingerprint[0] = number("SCRIPT_UNTIED", 0) != 0 ? 0 : 7;
    info.name = v->name.c_str();
    std::memcpy(out, &info, size);
    return STEER_OK;
}
steer_status steer_vector_get_layer(const steer_vector* v, int32_t layer, int32_t rows, steer_vector_layer* out,
                                    size_t size, steer_error* err) {
    if (rows == STEER_ROWS_READ || layer < 1 || layer >= layers) return fail(err, STEER_ERR_ARG, "no such rows");
    steer_vector_layer known{};
    known.row = v->row;
    known.norm = 1;
    known.residual_norm = 10;
    known.neutral = number("SCRIPT_STATISTICS", 1) != 0 ? -1.0f : nan_value;
    known.persona = number("SCRIPT_STATISTICS", 1) != 0 ? 3.0f : nan_value;
    std::memcpy(out, &known, size);
    return STEER_OK;
}

void steer_chat_init(steer_chat* c, size_t size) {
    std::memset(c, 0, size);
    c->struct_size = static_cast<uint32_t>(size);
}
steer_status steer_chat_encode(const steer_model*, const steer_chat* c, const steer_session*, int32_t* ids,
                               uint8_t* marks, size_t cap, size_t* count, steer_error*) {
    heard.clear();
    for (size_t i = 0; i < c->message_count; ++i) {
        const steer_chat_message& m = c->messages[i];
        heard += std::string(m.role.data, m.role.size) + "=" + std::string(m.content.data, m.content.size) + ";";
    }
    *count = heard.size();
    if (ids == nullptr) return STEER_OK;
    for (size_t i = 0; i < heard.size() && i < cap; ++i) {
        ids[i] = static_cast<unsigned char>(heard[i]);
        marks[i] = 0;
    }
    return STEER_OK;
}

void steer_session_options_init(steer_session_options* o, size_t size) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
    o->injection_max = o->gauge_max = 16;
}
steer_status steer_session_create(steer_model*, const steer_session_options*, steer_session** out, steer_error*) {
    *out = new steer_session;
    return STEER_OK;
}
void steer_session_free(steer_session* s) { delete s; }
steer_status steer_session_get_info(const steer_session* s, steer_session_info* out, size_t size, steer_error*) {
    steer_session_info info{};
    info.token_count = s->length;
    info.context_max = number("SCRIPT_CONTEXT", 1000);
    std::memcpy(out, &info, size);
    return STEER_OK;
}
steer_status steer_session_set_tokens(steer_session* s, int32_t, const int32_t*, const uint8_t*, size_t count,
                                      uint32_t* turn, steer_error* err) {
    if (static_cast<int>(count) > number("SCRIPT_CONTEXT", 1000)) {
        return fail(err, STEER_ERR_CONTEXT_FULL, "the list is longer than the context");
    }
    s->length = static_cast<int>(count);
    s->given = 0;
    s->prompt_steps = number("SCRIPT_PROMPT_STEPS", 0);
    const std::string reply = setting("SCRIPT_REPLY", "hello");
    s->reply = cut(reply == "ECHO" ? heard : reply);
    *turn = ++s->turn;
    return STEER_OK;
}
void steer_session_cancel(steer_session* s, uint32_t turn) { s->cancelled = turn != 0 ? turn : s->turn.load(); }

void steer_injection_options_init(steer_injection_options* o, size_t size) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
}
steer_status steer_injection_add(steer_session* s, const steer_injection_options* o, steer_injection_id* out,
                                 steer_error* err) {
    if (o->unit != STEER_UNIT_RAW) return fail(err, STEER_ERR_UNSUPPORTED, "unit needs steer_vector_calibrate");
    *out = ++s->injections;
    s->strengths[*out] = o->strength;
    return STEER_OK;
}
steer_status steer_injection_set(steer_session* s, steer_injection_id id, float value, int32_t ramp) {
    if (ramp > 0) {
        s->ramp_from = s->strengths[id].load();
        s->ramp_to = value;
        s->ramp_length = ramp;
        s->ramp = 0;
    } else {
        s->ramp_length = 0;
    }
    s->strengths[id] = value;
    return STEER_OK;
}
steer_status steer_injection_remove(steer_session* s, steer_injection_id id, steer_error*) {
    s->strengths[id] = nan_value;
    return STEER_OK;
}
void steer_gauge_options_init(steer_gauge_options* o, size_t size) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
}
steer_status steer_gauge_add(steer_session* s, const steer_gauge_options* o, steer_gauge_id* out, steer_error* err) {
    if (o->layer_begin < 1 || o->layer_begin >= layers)
        return fail(err, STEER_ERR_ARG, "the vector has no row at that layer");
    s->gauge_reading.push_back(o->reading);
    s->gauge_layer.push_back(o->layer_begin);
    *out = static_cast<uint32_t>(s->gauge_reading.size());
    return STEER_OK;
}

void steer_generation_options_init(steer_generation_options* o, size_t size, const steer_model*) {
    std::memset(o, 0, size);
    o->struct_size = static_cast<uint32_t>(size);
}
steer_status steer_session_set_generation(steer_session* s, const steer_generation_options* o, steer_error*) {
    s->token_max = o->token_max;
    return STEER_OK;
}

// Gauges: own swings between -0.2 and 0.2 with the tokens, raw is own and a hundredth of the strength for each layer.
static float gauge_value(const steer_session& s, std::size_t i, float strength) {
    const float own = 0.2f * std::sin(static_cast<float>(s.given) * 0.7f + static_cast<float>(s.gauge_layer[i]));
    return s.gauge_reading[i] == STEER_READING_OWN ? own : own + 0.01f * strength;
}
static float strength_now(steer_session& s, uint32_t id) {
    if (s.ramp_length == 0) return s.strengths[id];
    const int at = std::min(s.ramp.fetch_add(1) + 1, s.ramp_length.load());
    return s.ramp_from + (s.ramp_to - s.ramp_from) * static_cast<float>(at) / static_cast<float>(s.ramp_length);
}
static steer_status token_step(steer_session& s, steer_step& step) {
    step.token = 100 + s.given;
    step.log_prob = -0.5f;
    s.in_force.assign(s.injections + 1, nan_value);
    for (uint32_t id = 1; id <= s.injections; ++id) {
        s.in_force[id] = std::isnan(s.strengths[id].load()) ? nan_value : strength_now(s, id);
    }
    s.gauges.assign(s.gauge_reading.size() + 1, nan_value);
    for (std::size_t i = 0; i < s.gauge_reading.size(); ++i)
        s.gauges[i + 1] = gauge_value(s, i, s.in_force[s.injections]);
    const std::string& text = s.reply[static_cast<std::size_t>(s.given)];
    step.text = step.bytes = {text.data(), text.size()};
    ++s.given;
    ++s.length;
    step.finish = s.given == static_cast<int>(s.reply.size())  ? STEER_FINISH_STOP_TOKEN
                  : s.given == s.token_max                     ? STEER_FINISH_TOKEN_MAX
                  : s.length >= number("SCRIPT_CONTEXT", 1000) ? STEER_FINISH_CONTEXT_FULL
                                                               : STEER_FINISH_NONE;
    return STEER_OK;
}
steer_status steer_session_step(steer_session* s, steer_step* out, size_t size, steer_error* err) {
    steer_step step{};
    step.struct_size = sizeof step;
    step.turn = s->turn;
    step.token = -1;
    step.text = step.bytes = {"", 0};
    steer_status status = STEER_OK;
    for (int left = number("SCRIPT_DELAY_MS", 0); left > 0 && s->cancelled != s->turn; --left) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    while (s->given == number("SCRIPT_HANG_AT", -1))
        std::this_thread::sleep_for(std::chrono::seconds(1)); // hears no cancel
    if (s->cancelled == s->turn) {
        step.finish = STEER_FINISH_CANCELLED;
    } else if (s->prompt_steps > 0) {
        step.flags = STEER_STEP_PROMPT;
        step.pending_count = static_cast<uint32_t>(--s->prompt_steps) * 100 + 1;
    } else if (s->given == number("SCRIPT_FAIL_AT", -1)) {
        status = fail(err, STEER_ERR_NUMERIC, "the logits are not finite");
    } else {
        status = token_step(*s, step);
        if (s->given == 1 && !setting("SCRIPT_WARN", "").empty()) warn(setting("SCRIPT_WARN", ""));
    }
    step.gauges = s->gauges.data();
    step.gauge_count = static_cast<uint32_t>(s->gauges.size());
    step.strengths = s->in_force.data();
    step.strength_count = static_cast<uint32_t>(s->in_force.size());
    std::memcpy(out, &step, size);
    return status;
}

} // extern "C"
