// Chat: messages to text by the model's Jinja template, and to tokens.
#pragma once

#include "files/json.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steer {

struct ChatMessage {
    std::string role;
    std::optional<std::string> content; // absent: none to the template
    Json extra;                         // null, or an object of what else the template reads: tool_calls, name, ...
};

struct ChatRequest {
    std::vector<ChatMessage> messages;
    Json tools;              // null or an array
    Json variables;          // null or an object: {"enable_thinking": false}
    bool open_reply = false; // add the opening of the reply
    bool continue_last =
        false; // end the text right after the last message's content, as if it were still being written
};

// Template text may become control tokens, message text never does, wherever the template has moved it.
struct ChatPiece {
    std::string text;
    bool from_template = false;
};

namespace jinja {
class Program;
}

// Immutable; rendered from any thread.
class ChatTemplate {
  public:
    // Jinja as transformers renders it (trim_blocks, lstrip_blocks, no autoescape), of which the part that chat
    // templates use is understood; the rest is STEER_ERR_UNSUPPORTED naming construct and line. name is for errors.
    static ChatTemplate parse(std::string_view source, const std::string& name);
    // The model's own: source, where empty ChatML; bos_token, eos_token and the like from tokenizer_config.json (may be
    // empty) are known to it and count as template text.
    static ChatTemplate of_model(std::string_view source, std::string_view tokenizer_config, const std::string& name);

    std::vector<ChatPiece> render(const ChatRequest& request) const; // adjacent pieces differ in from_template
    std::string render_text(const ChatRequest& request) const;
    const std::string& source() const;

  private:
    std::shared_ptr<const jinja::Program> program_;
    std::vector<std::pair<std::string, std::string>> constants_;
};

struct EncodedChat {
    std::vector<int32_t> ids;
    std::vector<uint8_t> marks; // 1 where an assistant speaks: after its header up to and including its <|im_end|>
};

// Control tokens come from template text alone. Plain text between two of them is encoded in one piece, so ids are
// those of the whole rendered text wherever no message spells a control token. prefer: tokens of an earlier
// conversation. The stretches between control tokens that spell the bytes rendered now are taken over as they are, from
// the front up to the first difference; the rest is encoded afresh.
EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template, const ChatRequest& request,
                        std::span<const int32_t> prefer);

// Bytes that the tokens of a chat spell which begins with these pieces, up to where they end.
size_t spelled_size(const Tokenizer& tokenizer, std::span<const ChatPiece> pieces);

} // namespace steer
