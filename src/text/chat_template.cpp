#include "files/error.h"
#include "text/chat.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"
#include "text/jinja/strings.h"
#include "files/utf8.h"

namespace steer {
namespace {

using jinja::Origin;
using jinja::Value;

// For models without a template: plain ChatML.
constexpr std::string_view chatml = "{% for message in messages %}"
                                    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
                                    "{% endfor %}"
                                    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

constexpr size_t variables_max = 1024;

constexpr const char* special_names[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token"};

jinja::TextPtr text_of(std::string_view text) {
    return std::make_shared<const jinja::Text>(replace_invalid_utf8(text), Origin::Message);
}

// The last message's content when it is to be continued: a mark goes through the template with it and shows where to
// cut. The space behind the mark tells whether the template trims (facts: transformers' continue_final_message).
Value marked_content(const std::string& content) {
    jinja::Text text = *text_of(content);
    text.append("\x01 ", Origin::End);
    return jinja::make_text(std::move(text));
}

Value message_value(const ChatMessage& message, size_t index, bool marked) {
    std::vector<std::pair<jinja::TextPtr, Value>> entries;
    entries.emplace_back(text_of("role"), text_of(message.role));
    Value content = jinja::None{};
    if (message.content) content = marked ? marked_content(*message.content) : Value(text_of(*message.content));
    entries.emplace_back(text_of("content"), std::move(content));
    if (message.extra.is_null()) return jinja::make_dict(std::move(entries));
    if (!message.extra.is_object()) fail(STEER_ERR_ARG, "chat: message {}: extra must be a JSON object", index);
    for (const auto& [key, value] : message.extra.get_ref<const Json::object_t&>()) {
        if (key == "role" || key == "content")
            fail(STEER_ERR_ARG, "chat: message {}: \"{}\" belongs in its own field, not in extra", index, key);
        entries.emplace_back(text_of(key), jinja::from_json(value, Origin::Message));
    }
    return jinja::make_dict(std::move(entries));
}

jinja::Variables make_variables(const ChatRequest& request) {
    std::vector<Value> messages;
    for (size_t i = 0; i < request.messages.size(); ++i) {
        bool marked = request.continue_last && i + 1 == request.messages.size();
        if (marked && !request.messages[i].content)
            fail(STEER_ERR_ARG, "chat: the last message has no content that could be continued");
        messages.push_back(message_value(request.messages[i], i, marked));
    }
    if (!request.tools.is_null() && !request.tools.is_array()) fail(STEER_ERR_ARG, "chat: tools must be a JSON array");
    if (!request.variables.is_null() && !request.variables.is_object())
        fail(STEER_ERR_ARG, "chat: variables must be a JSON object");

    if (request.variables.size() > variables_max)
        fail(STEER_ERR_ARG, "chat: {} variables, at most {} can be given", request.variables.size(), variables_max);
    jinja::Variables variables;
    variables.emplace_back("messages", jinja::make_list(std::move(messages)));
    variables.emplace_back("tools", jinja::from_json(request.tools, Origin::Message));
    variables.emplace_back("documents", jinja::None{});
    variables.emplace_back("add_generation_prompt", request.open_reply);
    if (request.variables.is_object()) {
        for (const auto& [key, value] : request.variables.get_ref<const Json::object_t&>()) {
            if (key == "messages" || key == "tools" || key == "add_generation_prompt") {
                fail(STEER_ERR_ARG, "chat: the variable \"{}\" is set by its own field", key);
            }
            variables.emplace_back(key, jinja::from_json(value, Origin::Message));
        }
    }
    return variables;
}

void cut_at_mark(jinja::Text& text) {
    constexpr char end = static_cast<char>(Origin::End);
    size_t mark = text.origins.rfind(end);
    while (mark != std::string::npos && text.bytes[mark] != '\x01')
        mark = mark == 0 ? std::string::npos : text.origins.rfind(end, mark - 1);
    if (mark == std::string::npos)
        fail(STEER_ERR_ARG, "chat: the template does not show the last message's content, so it cannot be continued");
    bool spaces_kept = mark + 1 < text.size() && text.origins[mark + 1] == end;
    size_t size = spaces_kept ? mark : jinja::strip_right(std::string_view(text.bytes).substr(0, mark)).size();
    jinja::Text kept; // without the marks, of which a template that shows the content twice leaves an earlier one
    for (size_t i = 0; i < size; ++i) {
        if (text.origins[i] != end) kept.append(text, i, i + 1);
    }
    text = std::move(kept);
}

} // namespace

ChatTemplate ChatTemplate::parse(std::string_view source, const std::string& name) {
    ChatTemplate result;
    result.program_ = jinja::parse(source, name);
    return result;
}

ChatTemplate ChatTemplate::of_model(std::string_view source, std::string_view tokenizer_config,
                                    const std::string& name) {
    ChatTemplate result = parse(source.empty() ? chatml : source, name);
    if (tokenizer_config.empty()) return result;
    Json config = parse_json(tokenizer_config, "tokenizer_config.json");
    if (!config.is_object()) fail(STEER_ERR_FORMAT, "tokenizer_config.json: must be a JSON object");
    for (const char* key : special_names) {
        const Json* field = find_field(config, key);
        if (!field || field->is_null()) continue;
        if (field->is_object()) field = find_field(*field, "content"); // an AddedToken, written out
        if (!field || !field->is_string())
            fail(STEER_ERR_FORMAT, "tokenizer_config.json: \"{}\" must be a string, or an object with \"content\"", key);
        result.constants_.emplace_back(key, field->get<std::string>());
    }
    return result;
}

std::vector<ChatPiece> ChatTemplate::render(const ChatRequest& request) const {
    if (request.messages.empty()) fail(STEER_ERR_ARG, "chat: there are no messages");
    if (request.open_reply && request.continue_last)
        fail(STEER_ERR_ARG, "chat: the last message cannot be left open when a reply is opened");
    jinja::Variables variables;
    for (const auto& [name, text] : constants_) variables.emplace_back(name, jinja::make_text(text, Origin::Template));
    for (auto& variable : make_variables(request)) variables.push_back(std::move(variable));
    jinja::Text text = jinja::render(*program_, variables);
    if (request.continue_last) cut_at_mark(text);

    std::vector<ChatPiece> pieces;
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
        end = text.origins.find_first_not_of(text.origins[begin], begin);
        if (end == std::string::npos) end = text.size();
        pieces.push_back(
            {text.bytes.substr(begin, end - begin), text.origins[begin] == static_cast<char>(Origin::Template)});
    }
    return pieces;
}

std::string ChatTemplate::render_text(const ChatRequest& request) const {
    std::string text;
    for (const ChatPiece& piece : render(request)) text += piece.text;
    return text;
}

const std::string& ChatTemplate::source() const { return program_->source; }

} // namespace steer
