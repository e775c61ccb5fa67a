#include "engine.h"

#include <algorithm>
#include <limits>

namespace chat {

EngineError::EngineError(const std::string& doing, const steer_error& error)
    : std::runtime_error(doing + ": " + (error.message[0] != '\0' ? error.message : steer_status_name(error.status))),
      status(error.status) {}

void check(steer_status status, const steer_error& error, const std::string& doing) {
    if (status == STEER_OK) return;
    steer_error told = error;
    told.status = status;
    throw EngineError(doing, told);
}

void check_library_version() {
    const uint32_t found = steer_version();
    if (found / 1000 == STEER_VERSION / 1000) return;
    throw std::runtime_error("this chat was built for libsteer " + std::to_string(STEER_VERSION / 1000000) + "." +
                             std::to_string(STEER_VERSION / 1000 % 1000) + ", the library found is " +
                             std::to_string(found / 1000000) + "." + std::to_string(found / 1000 % 1000));
}

Model load_model(const ModelSettings& settings) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.dtype = settings.dtype;
    options.weights = settings.weights;
    options.flags = settings.allow_code ? STEER_MODEL_ALLOW_CODE : 0u;
    options.device = settings.device.empty() ? nullptr : settings.device.c_str();
    if (settings.progress) {
        options.progress_user = const_cast<std::function<bool(float)>*>(&settings.progress);
        options.progress_fn = [](void* user, float fraction) -> int32_t {
            return (*static_cast<std::function<bool(float)>*>(user))(fraction) ? 0 : 1;
        };
    }
    steer_model* model = nullptr;
    steer_error error{};
    check(steer_model_load(settings.path.c_str(), &options, &model, &error), error, "model " + settings.path);
    return Model(model);
}

steer_model_info model_info(const steer_model* model) {
    steer_model_info info{};
    steer_error error{};
    check(steer_model_get_info(model, &info, sizeof info, &error), error, "model info");
    return info;
}

std::string model_text(const steer_model* model, int32_t what) {
    std::size_t size = 0;
    steer_error error{};
    check(steer_model_get_text(model, what, nullptr, 0, &size, &error), error, "model text");
    std::string text(size, '\0');
    check(steer_model_get_text(model, what, text.data(), text.size(), &size, &error), error, "model text");
    text.resize(std::min(size, text.size()));
    return text;
}

Vector load_vector(const std::string& path, const steer_model* model) {
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.model = model;
    steer_vector* vector = nullptr;
    steer_error error{};
    check(steer_vector_load(path.c_str(), &options, &vector, &error), error, "vector " + path);
    return Vector(vector);
}

steer_vector_info vector_info(const steer_vector* vector) {
    steer_vector_info info{};
    steer_error error{};
    check(steer_vector_get_info(vector, &info, sizeof info, &error), error, "vector info");
    return info;
}

steer_vector_layer vector_layer(const steer_vector* vector, int layer) {
    for (int32_t rows : {STEER_ROWS_READ, STEER_ROWS_WRITE}) {
        steer_vector_layer out{};
        steer_error error{};
        const bool found = steer_vector_get_layer(vector, layer, rows, &out, sizeof out, &error) == STEER_OK;
        if (found && out.row != nullptr) return out;
    }
    steer_vector_layer none{};
    none.neutral = none.persona = none.residual_norm = none.norm = std::numeric_limits<float>::quiet_NaN();
    return none;
}

std::string hex(const uint8_t (&fingerprint)[32]) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (uint8_t byte : fingerprint) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

Prompt encode_chat(const steer_model* model, const steer_session* session, const std::vector<Message>& messages) {
    std::vector<steer_chat_message> views;
    for (const Message& message : messages) {
        views.push_back(
            {{message.role.data(), message.role.size()}, {message.content.data(), message.content.size()}, {}});
    }
    steer_chat chat;
    steer_chat_init(&chat, sizeof chat);
    chat.flags = STEER_CHAT_OPEN_REPLY;
    chat.messages = views.data();
    chat.message_count = views.size();

    std::size_t count = 0;
    steer_error error{};
    check(steer_chat_encode(model, &chat, session, nullptr, nullptr, 0, &count, &error), error, "chat template");
    Prompt prompt{std::vector<int32_t>(count), std::vector<uint8_t>(count)};
    check(steer_chat_encode(model, &chat, session, prompt.ids.data(), prompt.marks.data(), count, &count, &error),
          error, "chat template");
    return prompt;
}

} // namespace chat
