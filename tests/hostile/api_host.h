// A host at the C door that checks every answer, and remembers what each conversation should hold.
#pragma once

#include "corpus.h"
#include "steer/steer.h"
#include "files/utf8.h"
#include "tiny_model.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace hostile {

constexpr int32_t kApiContext = 160, kApiHidden = 16, kApiLayers = 3;

// The status is one of those that are documented, the words are there when something is wrong and not when nothing is.
inline bool good(steer_status status, const steer_error& error) {
    promise(status <= STEER_OK && status > STEER_ERR_INTERNAL, std::string("status ") + std::to_string(status) + ": " + error.message);
    promise(error.status == status, "the error says another status");
    const size_t size = strnlen(error.message, sizeof error.message);
    promise(size < sizeof error.message && (size == 0) == (status == STEER_OK), "words that do not go with the status");
    if (status != STEER_OK) check_words(error.message);
    return status == STEER_OK;
}

#define ASK(call)                                                                                                           \
    [&] {                                                                                                                   \
        steer_error err;                                                                                                    \
        std::memset(&err, 0xee, sizeof err);                                                                                \
        const steer_status status = (call);                                                                                 \
        return good(status, err);                                                                                           \
    }()

// Bytes as decisions: how many, which, how large.
class Choices {
  public:
    explicit Choices(std::string_view bytes) : bytes_(bytes) {}
    bool empty() const { return at_ == bytes_.size(); }
    uint8_t byte() { return empty() ? 0 : static_cast<uint8_t>(bytes_[at_++]); }
    size_t below(size_t count) { return byte() % count; }
    bool once_in(size_t count) { return byte() % count == 1; }

    int32_t number() {
        static constexpr int32_t kOdd[] = {0, 1, -1, 2, 3, 63, 64, 65, 128, 159, 160, 161, 255, 256, 259, 260, 269, 270, 2048,
                                           INT32_MAX, INT32_MIN, INT32_MAX - 1, 1 << 20};
        const uint8_t which = byte();
        return which < 128 ? which % 8 : kOdd[which % std::size(kOdd)];
    }
    size_t size() { // of something that is really there, up to so much
        static constexpr size_t kOdd[] = {0, 1, 2, 3, 8, 16, 63, 64, 65, 127, 150};
        return kOdd[byte() % std::size(kOdd)];
    }
    float real() {
        static const float kOdd[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 2.0f, -8.0f, 1e-45f, 65504.0f, 1e9f, -1e9f, 1e38f, 3e38f,
                                     NAN, INFINITY, -INFINITY, 0.95f, 1e-3f, 100.0f};
        return kOdd[byte() % std::size(kOdd)];
    }
    int32_t token() { return once_in(40) ? number() : byte(); }
    std::string_view text(size_t most) {
        const size_t size = std::min({size_t{byte()} % (most + 1), bytes_.size() - at_});
        at_ += size;
        return bytes_.substr(at_ - size, size);
    }

  private:
    std::string_view bytes_;
    size_t at_ = 0;
};

// Numbers of an options struct that may hold anything.
struct OptionField {
    size_t at;
    bool real;
};
#define INT_FIELD(type, name) hostile::OptionField{offsetof(type, name), false}
#define REAL_FIELD(type, name) hostile::OptionField{offsetof(type, name), true}

template<class Options, size_t Count>
void disturb(Options& options, Choices& choices, const OptionField (&fields)[Count]) {
    for (size_t n = choices.below(4); n > 0; --n) {
        const OptionField& field = fields[choices.below(Count)];
        const float real = choices.real();
        const int32_t number = choices.number();
        std::memcpy(reinterpret_cast<char*>(&options) + field.at, field.real ? static_cast<const void*>(&real) : &number, 4);
    }
}

struct Conversation {
    steer_session* handle = nullptr;
    bool alive = false;
    std::vector<int32_t> tokens; // what it must hold
};

inline steer_session_info info_of(const Conversation& one) {
    steer_session_info info;
    promise(ASK(steer_session_get_info(one.handle, &info, sizeof info, &err)), "no info of a live session");
    return info;
}

inline void check_conversation(const Conversation& one) {
    std::vector<int32_t> ids(kApiContext + 1);
    std::vector<uint8_t> marks(ids.size());
    size_t count = 0;
    promise(ASK(steer_session_get_tokens(one.handle, ids.data(), marks.data(), ids.size(), &count, &err)), "no tokens");
    ids.resize(count);
    promise(ids == one.tokens, "a conversation holds other tokens than it was given");
    for (size_t i = 0; i < count; ++i) promise(marks[i] <= 1, "a mark that is neither 0 nor 1");
    const steer_session_info info = info_of(one);
    promise(info.token_count == static_cast<int32_t>(count) && info.computed_count <= info.token_count, "info of other tokens");
    promise(info.stale_from >= -1 && info.stale_from < std::max(info.computed_count, 1), "stale where nothing is computed");
    promise(info.token_count <= info.context_max && info.reply_count >= 0, "more tokens than the context");
}

// A token that was said, or some that the guard took back.
inline void note_tokens(Conversation& one, const steer_step& step) {
    const bool withdrawn = (step.flags & STEER_STEP_GUARD) != 0 && step.token < 0;
    if (withdrawn) promise(step.position >= 0 && static_cast<size_t>(step.position) < one.tokens.size(), "more was taken back than said");
    if (withdrawn) one.tokens.resize(static_cast<size_t>(step.position) + 1);
    if (step.token >= 0) one.tokens.push_back(step.token);
}

// An outcome, and what it did to the conversation.
inline void take_step(Conversation& one, const steer_step& step) {
    promise(step.gauges && step.gauge_push_free && step.strengths && step.top && step.prompt_log_probs && step.bytes.data &&
                step.text.data, "a pointer that is NULL");
    if (step.status != STEER_OK) {
        promise(step.token == -1 && step.text.size == 0, "a token from a step that failed");
        return;
    }
    promise(step.finish >= STEER_FINISH_NONE && step.finish <= STEER_FINISH_DEAD_END, "an unknown finish");
    promise(step.token >= -1 && step.token < tiny::kRealVocabulary, "a token that is none");
    promise(step.gauge_count <= 255 && step.strength_count <= 255 && step.top_count <= 20, "odd counts");
    promise(steer::is_valid_utf8({step.text.data, step.text.size}), "half a character");
    if (step.token >= 0) {
        promise(step.position == static_cast<int32_t>(one.tokens.size()), "a token at another place");
        promise(step.log_prob <= 0.0f && std::isfinite(step.log_prob) && step.entropy >= 0.0f, "odd figures of a token");
    }
    note_tokens(one, step);
}

} // namespace hostile
