// Which tokens of a passage are pooled.
#include "files/error.h"
#include "run/extraction.h"

#include <algorithm>

namespace steer {
namespace {

struct ByteRange {
    size_t begin = 0, end = 0;
};

std::vector<ChatMessage> to_messages(const Passage& passage, bool with_reply) {
    std::vector<ChatMessage> messages;
    if (passage.system) messages.push_back({"system", passage.system, nullptr});
    if (passage.prompt) messages.push_back({"user", passage.prompt, nullptr});
    if (passage.reply && with_reply) messages.push_back({"assistant", passage.reply, nullptr});
    return messages;
}

std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

// Where the user's words stand in the bytes that the tokens spell: the last piece of message text that holds them, in the
// passage without its reply, which begins like the whole.
ByteRange find_prompt(const Model& model, const Passage& passage) {
    ChatRequest request;
    request.messages = to_messages(passage, false);
    request.open_reply = true;
    const std::string_view wanted = trimmed(*passage.prompt);
    const std::vector<ChatPiece> pieces = model.chat_template().render(request);
    const auto end_of = [&](size_t count) { return spelled_size(model.tokenizer(), std::span(pieces).first(count)); };
    for (size_t i = pieces.size(); i-- > 0;)
        if (!pieces[i].from_template && !wanted.empty() && pieces[i].text.find(wanted) != std::string::npos)
            return {end_of(i), end_of(i + 1)};
    return {};
}

std::vector<int32_t> tokens_in(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, ByteRange range) {
    std::vector<int32_t> tokens;
    size_t at = 0;
    for (size_t i = 0; i < ids.size(); i++) {
        const size_t end = at + tokenizer.token_bytes(ids[i]).size();
        if (at < range.end && end > range.begin && !tokenizer.is_control(ids[i])) tokens.push_back(static_cast<int32_t>(i));
        at = end;
    }
    return tokens;
}

// An assistant's words: marked, without the control tokens that end them.
std::vector<int32_t> reply_tokens(const Tokenizer& tokenizer, const PooledPassage& passage) {
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < passage.ids.size(); i++)
        if (passage.marks[i] != 0 && !tokenizer.is_special(passage.ids[i])) tokens.push_back(static_cast<int32_t>(i));
    return tokens;
}

std::vector<int32_t> pool(const Model& model, const Passage& passage, const PooledPassage& encoded, int32_t pooling) {
    const auto last = static_cast<int32_t>(encoded.ids.size()) - 1;
    const std::vector<int32_t> reply = reply_tokens(model.tokenizer(), encoded);
    switch (pooling) {
    case STEER_POOL_REPLY_MEAN: return reply;
    case STEER_POOL_REPLY_LAST: return reply.empty() ? reply : std::vector<int32_t>{reply.back()};
    case STEER_POOL_LAST: return {last};
    case STEER_POOL_USER_MEAN:
        if (!passage.prompt) return {};
        return tokens_in(model.tokenizer(), encoded.ids, find_prompt(model, passage));
    default: // STEER_POOL_PROMPT_LAST: the position that chooses the first token of the reply
        if (!passage.prompt) return {};
        if (reply.empty()) return {last};
        return reply[0] > 0 ? std::vector<int32_t>{reply[0] - 1} : std::vector<int32_t>{};
    }
}

} // namespace

PooledPassage encode_passage(const Model& model, const Passage& passage, int32_t pooling) {
    PooledPassage encoded;
    if (!passage.system && !passage.prompt) {
        if (!passage.reply) fail(STEER_ERR_ARG, "a passage has neither prompt nor reply");
        model.tokenizer().encode(*passage.reply, false, encoded.ids);
        encoded.marks.assign(encoded.ids.size(), 1);
    } else {
        ChatRequest request;
        request.messages = to_messages(passage, true);
        request.open_reply = !passage.reply;
        EncodedChat chat = encode_chat(model.tokenizer(), model.chat_template(), request, {});
        encoded.ids = std::move(chat.ids);
        encoded.marks = std::move(chat.marks);
    }
    if (encoded.ids.empty()) fail(STEER_ERR_ARG, "a passage is empty");
    if (encoded.ids.size() > static_cast<size_t>(model.config().context_max))
        fail(STEER_ERR_ARG, "a passage has {} tokens, the model's context is {}", encoded.ids.size(),
             model.config().context_max);
    encoded.pooled = pool(model, passage, encoded, pooling);
    if (encoded.pooled.empty())
        fail(STEER_ERR_ARG, "a passage has no token that pooling {} would look at", pooling);
    return encoded;
}

} // namespace steer
