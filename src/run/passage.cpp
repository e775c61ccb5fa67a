// Passages as tokens, and which of these are pooled.
#include "files/error.h"
#include "run/extraction.h"

#include <algorithm>
#include <map>
#include <utility>

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

Positions tokens_in(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, ByteRange range) {
    Positions tokens;
    size_t at = 0;
    for (size_t i = 0; i < ids.size(); i++) {
        const size_t end = at + tokenizer.token_bytes(ids[i]).size();
        if (at < range.end && end > range.begin && !tokenizer.is_control(ids[i])) tokens.push_back(static_cast<int32_t>(i));
        at = end;
    }
    return tokens;
}

// An assistant's words: marked, without the control tokens that end them.
Positions reply_tokens(const Tokenizer& tokenizer, const EncodedPassage& passage) {
    Positions tokens;
    for (size_t i = 0; i < passage.ids.size(); i++)
        if (passage.marks[i] != 0 && !tokenizer.is_special(passage.ids[i])) tokens.push_back(static_cast<int32_t>(i));
    return tokens;
}

// Tokens of two texts with the same ids, each taken as often as both texts have it, the first ones first: pooled at the
// embedding they are the same, so what tells them apart is what the blocks made of the voice around them.
PooledPair::Pool shared_tokens(const EncodedPassage& positive, const Positions& of_positive, const EncodedPassage& negative,
                               const Positions& of_negative) {
    const auto id_at = [](const EncodedPassage& passage, int32_t at) { return passage.ids[static_cast<size_t>(at)]; };
    std::map<int32_t, std::pair<size_t, size_t>> counts;
    for (const int32_t at : of_positive) counts[id_at(positive, at)].first++;
    for (const int32_t at : of_negative) counts[id_at(negative, at)].second++;
    const auto take = [&](const EncodedPassage& passage, const Positions& from) {
        std::map<int32_t, size_t> taken;
        Positions shared;
        for (const int32_t at : from) {
            const auto [mine, theirs] = counts[id_at(passage, at)];
            if (taken[id_at(passage, at)]++ < std::min(mine, theirs)) shared.push_back(at);
        }
        return shared;
    };
    return {take(positive, of_positive), take(negative, of_negative)};
}

Positions pool(const Model& model, const Passage& passage, const EncodedPassage& encoded, int32_t pooling) {
    const auto last = static_cast<int32_t>(encoded.ids.size()) - 1;
    const Positions reply = reply_tokens(model.tokenizer(), encoded);
    switch (pooling) {
    case STEER_POOL_REPLY_MEAN: return reply;
    case STEER_POOL_REPLY_LAST: return reply.empty() ? reply : Positions{reply.back()};
    case STEER_POOL_LAST: return {last};
    case STEER_POOL_USER_MEAN:
        if (!passage.prompt) return {};
        return tokens_in(model.tokenizer(), encoded.ids, find_prompt(model, passage));
    default: // STEER_POOL_PROMPT_LAST: the position that chooses the first token of the reply
        if (!passage.prompt) return {};
        if (reply.empty()) return {last};
        return reply[0] > 0 ? Positions{reply[0] - 1} : Positions{};
    }
}

const char* pooled_tokens(int32_t pooling) {
    switch (pooling) {
    case STEER_POOL_REPLY_MEAN:
    case STEER_POOL_REPLY_LAST: return "the reply's tokens: give a reply";
    case STEER_POOL_USER_MEAN: return "the prompt's tokens: give a prompt";
    case STEER_POOL_SHARED_TOKENS: return "tokens that both replies have: they share none";
    default: return "the last token before the reply: give a prompt";
    }
}

EncodedPassage encode_named(const Model& model, const Passage& passage, const std::string& where) {
    EncodedPassage encoded;
    if (!passage.system && !passage.prompt) {
        if (!passage.reply) fail(STEER_ERR_ARG, "{}: has neither prompt nor reply", where);
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
    if (encoded.ids.empty()) fail(STEER_ERR_ARG, "{}: is empty", where);
    if (encoded.ids.size() > static_cast<size_t>(model.config().context_max))
        fail(STEER_ERR_ARG, "{}: has {} tokens, the model's context is {}", where, encoded.ids.size(),
             model.config().context_max);
    return encoded;
}

} // namespace

EncodedPassage encode_passage(const Model& model, const Passage& passage) { return encode_named(model, passage, "a passage"); }

PooledPair encode_pair(const Model& model, const ContrastPair& pair, std::span<const int32_t> poolings, const std::string& where) {
    PooledPair out;
    out.positive = encode_named(model, pair.positive, where + ".positive");
    out.negative = encode_named(model, pair.negative, where + ".negative");
    if (pair.positive.reply && pair.negative.reply)
        out.content = shared_tokens(out.positive, reply_tokens(model.tokenizer(), out.positive), out.negative,
                                    reply_tokens(model.tokenizer(), out.negative));
    for (const int32_t pooling : poolings) {
        if (pooling == STEER_POOL_SHARED_TOKENS) out.pools.push_back(out.content);
        else out.pools.push_back({pool(model, pair.positive, out.positive, pooling), pool(model, pair.negative, out.negative, pooling)});
        for (const auto& [found, side] : {std::pair(&out.pools.back().positive, "positive"), {&out.pools.back().negative, "negative"}})
            if (found->empty()) fail(STEER_ERR_ARG, "{}.{}: pooling looks at {}", where, side, pooled_tokens(pooling));
    }
    return out;
}

} // namespace steer
