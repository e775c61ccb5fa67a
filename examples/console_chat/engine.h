// Owners and exceptions over the C header, as far as a chat needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "steer/steer.h"

namespace chat {

struct EngineError : std::runtime_error {
    EngineError(const std::string& doing, const steer_error& error);
    steer_status status;
};

// Throws if status is not OK; `doing` says what was tried.
void check(steer_status status, const steer_error& error, const std::string& doing);
void check_library_version();

struct ModelFree {
    void operator()(steer_model* m) const { steer_model_free(m); }
};
struct VectorFree {
    void operator()(steer_vector* v) const { steer_vector_free(v); }
};
struct SessionFree {
    void operator()(steer_session* s) const { steer_session_free(s); }
};
using Model = std::unique_ptr<steer_model, ModelFree>;
using Vector = std::unique_ptr<steer_vector, VectorFree>;
using Session = std::unique_ptr<steer_session, SessionFree>;

struct ModelSettings {
    std::string path;
    std::string device; // empty: the library chooses
    int32_t dtype = STEER_DTYPE_AUTO;
    int32_t weights = STEER_WEIGHTS_AS_STORED;
    bool allow_code = false;
    std::function<bool(float)> progress; // false: stop
};
Model load_model(const ModelSettings& settings);
steer_model_info model_info(const steer_model* model);
std::string model_text(const steer_model* model, int32_t what);

Vector load_vector(const std::string& path, const steer_model* model);
steer_vector_info vector_info(const steer_vector* vector);
// Rows to read with where there are such, else the others. No row there: row is null.
steer_vector_layer vector_layer(const steer_vector* vector, int layer);

std::string hex(const uint8_t (&fingerprint)[32]);

struct Message {
    std::string role, content;
};

struct Prompt {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks;
};
// The whole conversation with the reply's opening, in the tokens that the session already has where they fit.
Prompt encode_chat(const steer_model* model, const steer_session* session, const std::vector<Message>& messages);

} // namespace chat
