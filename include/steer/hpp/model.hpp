// Chapters 5 and 6: models, their text, their chat.
#pragma once

#include "enums.hpp"
#include "owner.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steer::inline STEER_HPP_MODE {

class Session;

using Progress = std::function<Flow(float fraction)>;

struct ModelOptions {
    std::optional<Dtype> dtype{};
    std::optional<std::string> device{};
    std::optional<Weights> weights{};
    std::optional<Residency> residency{};
    std::optional<Priority> priority{};
    bool verify = false;
    bool allow_code = false;
    std::optional<uint64_t> device_memory_max{};
    Progress progress{};
};

struct Message {
    std::string role{};
    std::optional<std::string> content{};
    std::string extra{}; // JSON object
};

struct ChatOptions {
    bool open_reply = false;
    bool continue_last = false;
    std::string tools{};     // JSON array
    std::string variables{}; // JSON object
    std::string template_text{};
};

struct Tokens {
    std::vector<int32_t> ids{};
    std::vector<uint8_t> marks{}; // 1: spoken by an assistant
};

namespace detail {

// A Progress as the C interface calls it.
class ProgressDoor {
  public:
    explicit ProgressDoor(const Progress& progress) : progress_(progress) {}
    steer_progress_fn fn() const { return progress_ ? &call : nullptr; }
    void* user() { return this; }
    void rethrow() { carrier_.rethrow(); }

  private:
    static int32_t call(void* user, float fraction) {
        auto& self = *static_cast<ProgressDoor*>(user);
        return self.carrier_.run([&] { return self.progress_(fraction); });
    }

    const Progress& progress_;
    Carrier carrier_;
};

// A conversation as the C interface reads it; what it views must live as long.
class ChatView {
  public:
    ChatView(std::span<const Message> messages, const ChatOptions& options) {
        for (const Message& message : messages)
            messages_.push_back({view(message.role), optional_view(message.content), filled_view(message.extra)});
        steer_chat c;
        steer_chat_init(&c, sizeof c);
        c.flags = flag(options.open_reply, STEER_CHAT_OPEN_REPLY) | flag(options.continue_last, STEER_CHAT_CONTINUE);
        c.messages = messages_.data();
        c.message_count = messages_.size();
        c.tools = filled_view(options.tools);
        c.variables = filled_view(options.variables);
        c.template_text = filled_view(options.template_text);
        chat_ = c;
    }
    ChatView(const ChatView&) = delete;
    ChatView& operator=(const ChatView&) = delete;
    const steer_chat* get() const { return &chat_; }

  private:
    std::vector<steer_chat_message> messages_;
    steer_chat chat_;
};

inline void encode_chat(const steer_model* model, std::span<const Message> messages, const ChatOptions& options,
                        const steer_session* prefer, Tokens& out, steer_error& err) {
    const ChatView chat(messages, options);
    fetch(out.ids, err, [&](int32_t* ids, size_t cap, size_t* count, steer_error* error) {
        out.marks.resize(cap);
        return steer_chat_encode(model, chat.get(), prefer, ids, cap == 0 ? nullptr : out.marks.data(), cap, count, error);
    });
    out.marks.resize(out.ids.size());
}

} // namespace detail

class Model : public detail::Owner<steer_model, steer_model_free> {
  public:
    using Owner::Owner;

    static Returned<Model> load(std::string_view path, const ModelOptions& options = {}) {
        detail::ProgressDoor progress(options.progress);
        steer_model_options c;
        steer_model_options_init(&c, sizeof c);
        detail::set(c.dtype, options.dtype);
        if (options.device) c.device = options.device->c_str();
        detail::set(c.weights, options.weights);
        detail::set(c.residency, options.residency);
        detail::set(c.priority, options.priority);
        c.flags = detail::flag(options.verify, STEER_MODEL_VERIFY) | detail::flag(options.allow_code, STEER_MODEL_ALLOW_CODE);
        detail::set(c.device_memory_max, options.device_memory_max);
        c.progress_fn = progress.fn();
        c.progress_user = progress.user();
        steer_error err{};
        Model model;
        steer_model_load(std::string(path).c_str(), &c, model.out(), &err);
        progress.rethrow();
        return detail::give(err, std::move(model));
    }

    Returned<steer_model_info> info() const {
        steer_error err{};
        steer_model_info info{};
        steer_model_get_info(get(), &info, sizeof info, &err);
        return detail::give(err, info);
    }

    Returned<std::string> text(ModelText what) const {
        return detail::fetch<std::string>([&](char* buf, size_t cap, size_t* size, steer_error* err) {
            return steer_model_get_text(get(), static_cast<int32_t>(what), buf, cap, size, err);
        });
    }

    Returned<void> set_residency(Residency residency, const Progress& progress = {}) {
        detail::ProgressDoor door(progress);
        steer_error err{};
        steer_model_set_residency(get(), static_cast<int32_t>(residency), door.fn(), door.user(), &err);
        door.rethrow();
        return detail::give(err);
    }

    // Into a new or empty folder; written there: the decoder, the model's files, a manifest of all.
    Returned<void> export_to(std::string_view folder, const Progress& progress = {}) const {
        detail::ProgressDoor door(progress);
        steer_error err{};
        steer_model_export(get(), std::string(folder).c_str(), door.fn(), door.user(), &err);
        door.rethrow();
        return detail::give(err);
    }

    // control_tokens: they are read from the text. Never for text that comes from a stranger.
    Returned<std::vector<int32_t>> encode(std::string_view text, bool control_tokens = false) const {
        return detail::fetch<std::vector<int32_t>>([&](int32_t* ids, size_t cap, size_t* count, steer_error* err) {
            return steer_text_encode(get(), text.data(), text.size(), detail::flag(control_tokens, STEER_TEXT_SPECIAL), ids, cap, count, err);
        });
    }

    Returned<std::string> decode(std::span<const int32_t> ids, bool control_tokens = false) const {
        return detail::fetch<std::string>([&](char* buf, size_t cap, size_t* size, steer_error* err) {
            return steer_text_decode(get(), ids.data(), ids.size(), detail::flag(control_tokens, STEER_TEXT_SPECIAL), buf, cap, size, err);
        });
    }

    Returned<std::string> format_chat(std::span<const Message> messages, const ChatOptions& options = {}) const {
        const detail::ChatView chat(messages, options);
        return detail::fetch<std::string>([&](char* buf, size_t cap, size_t* size, steer_error* err) {
            return steer_chat_format(get(), chat.get(), buf, cap, size, err);
        });
    }

    // prefer: the session that spoke the replies among the messages; its tokens are taken over. Not while it steps.
    Returned<Tokens> encode_chat(std::span<const Message> messages, const ChatOptions& options = {},
                                 const Session* prefer = nullptr) const;
};

} // namespace steer::inline STEER_HPP_MODE
