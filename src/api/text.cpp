// Chapter 6 of the header: tokens and chat.
#include "api/args.h"
#include "api/guard.h"
#include "api/handles.h"

using namespace steer;

namespace {

steer_chat default_chat() {
    steer_chat chat{};
    chat.struct_size = sizeof chat;
    return chat;
}

Json read_json(const steer_view& view, const std::string& name, bool array) {
    const std::string_view text = read_view(view, name.c_str());
    if (text.empty()) return nullptr;
    Json json = parse_json(text, name);
    if (array ? !json.is_array() : !json.is_object())
        fail(STEER_ERR_ARG, "{} must be a JSON {}", name, array ? "array" : "object");
    return json;
}

ChatRequest read_request(const steer_chat& chat) {
    check_flags(chat.flags, STEER_CHAT_OPEN_REPLY | STEER_CHAT_CONTINUE, "steer_chat.flags");
    ChatRequest request;
    request.open_reply = (chat.flags & STEER_CHAT_OPEN_REPLY) != 0;
    request.continue_last = (chat.flags & STEER_CHAT_CONTINUE) != 0;
    const auto messages = read_array(chat.messages, chat.message_count, "messages");
    for (size_t i = 0; i < messages.size(); i++) {
        const steer_chat_message& from = messages[i];
        ChatMessage& message = request.messages.emplace_back();
        message.role = read_view(from.role, "role");
        if (message.role.empty()) fail(STEER_ERR_ARG, "messages[{}].role is absent", i);
        const std::string_view content = read_view(from.content, "content");
        if (from.content.data != nullptr) message.content = std::string(content);
        message.extra = read_json(from.extra, fmt::format("messages[{}].extra", i), false);
    }
    request.tools = read_json(chat.tools, "tools", true);
    request.variables = read_json(chat.variables, "variables", false);
    return request;
}

ChatTemplate read_template(const Model& model, const steer_chat& chat) {
    const std::string_view text = read_view(chat.template_text, "template_text");
    if (text.empty()) return model.chat_template();
    return ChatTemplate::of_model(text, model.package().tokenizer_config_text, "template_text");
}

} // namespace

extern "C" {

steer_status steer_text_encode(const steer_model* m, const char* text, size_t text_size, uint32_t flags, int32_t* ids,
                               size_t cap, size_t* count, steer_error* err) {
    return guard(err, [&] {
        const Buffer buffer(cap, count, "count");
        const PinnedModel model(m, "model");
        check_flags(flags, STEER_TEXT_SPECIAL, "flags");
        std::vector<int32_t> encoded;
        model->tokenizer().encode(read_view({text, text_size}, "text"), (flags & STEER_TEXT_SPECIAL) != 0, encoded);
        if (buffer.fits(encoded.size(), ids)) std::copy(encoded.begin(), encoded.end(), ids);
    });
}

steer_status steer_text_decode(const steer_model* m, const int32_t* ids, size_t count, uint32_t flags, char* buf,
                               size_t cap, size_t* size, steer_error* err) {
    return guard(err, [&] {
        const Buffer buffer(cap, size, "size");
        const PinnedModel model(m, "model");
        check_flags(flags, STEER_TEXT_SPECIAL, "flags");
        const auto list = read_array(ids, count, "ids");
        const Tokenizer& tokenizer = model->tokenizer();
        std::string text;
        for (size_t i = 0; i < list.size(); i++) {
            const int32_t id = list[i];
            if (id < 0 || id >= model->config().vocab_size)
                fail(STEER_ERR_ARG, "ids[{}] is {}, the vocabulary has {}", i, id, model->config().vocab_size);
            if (!tokenizer.is_special(id) || (flags & STEER_TEXT_SPECIAL) != 0) text += tokenizer.token_bytes(id);
        }
        if (buffer.fits(text.size(), buf)) std::copy(text.begin(), text.end(), buf);
    });
}

void steer_chat_init(steer_chat* c, size_t struct_size) {
    write_defaults(c, struct_size, default_chat());
}

steer_status steer_chat_format(const steer_model* m, const steer_chat* c, char* buf, size_t cap, size_t* size,
                               steer_error* err) {
    return guard(err, [&] {
        const PinnedModel model(m, "model");
        need(c, "chat");
        const steer_chat chat = read_options(c, default_chat(), "steer_chat");
        write_bytes(read_template(*model, chat).render_text(read_request(chat)), buf, cap, size);
    });
}

steer_status steer_chat_encode(const steer_model* m, const steer_chat* c, const steer_session* prefer, int32_t* ids,
                               uint8_t* marks, size_t cap, size_t* count, steer_error* err) {
    return guard(err, [&] {
        const Buffer buffer(cap, count, "count");
        const PinnedModel model(m, "model");
        need(c, "chat");
        const steer_chat chat = read_options(c, default_chat(), "steer_chat");
        std::vector<int32_t> preferred;
        if (prefer != nullptr) {
            const PinnedSession session(prefer, "prefer");
            if (&session->model() != model.get()) fail(STEER_ERR_ARG, "prefer is a session of another model");
            preferred = session->tokens().first;
        }
        const EncodedChat encoded = encode_chat(model->tokenizer(), read_template(*model, chat), read_request(chat), preferred);
        if (!buffer.fits(encoded.ids.size(), ids, marks)) return;
        if (ids != nullptr) std::copy(encoded.ids.begin(), encoded.ids.end(), ids);
        if (marks != nullptr) std::copy(encoded.marks.begin(), encoded.marks.end(), marks);
    });
}

} // extern "C"
