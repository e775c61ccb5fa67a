#include "run/reply_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace steer {
namespace {

constexpr size_t kTail = 32;

bool cut_suffix(std::string_view& text, std::span<const std::string_view> endings) {
    for (const std::string_view ending : endings)
        if (text.ends_with(ending)) {
            text.remove_suffix(ending.size());
            return true;
        }
    return false;
}

} // namespace

void ReplyText::set_stop_texts(std::span<const std::string> stop_texts) {
    StopMatcher now(stop_texts);
    const std::string held = stops_.flush();
    stops_ = std::move(now);
    waiting_ += stops_.push(held);
}

std::string ReplyText::show(std::string text) {
    if (!waiting_.empty()) text.insert(0, std::exchange(waiting_, {}));
    tail_ += text;
    if (tail_.size() > kTail) tail_.erase(0, tail_.size() - kTail);
    return text;
}

std::string ReplyText::push(const Tokenizer& tokenizer, int32_t token) {
    if (tokenizer.is_special(token)) return show({});
    return show(stops_.push(gate_.push(tokenizer.token_bytes(token))));
}

std::string ReplyText::flush() {
    std::string text = stops_.push(gate_.flush());
    text += stops_.flush();
    stops_.reset(); // the conversation may go on
    return show(std::move(text));
}

bool ReplyText::ends_sentence() const {
    static constexpr std::array<std::string_view, 4> spaces{" ", "\n", "\r", "\t"};
    static constexpr std::array<std::string_view, 11> closing{"\"", "'", ")", "]", "」", "』", "）", "”", "’", "】", "♪"};
    static constexpr std::array<std::string_view, 8> ends{"。", "！", "？", "!", "?", "…", "．", "\n"};
    std::string_view text = tail_;
    if (text.ends_with('\n')) return true;
    bool over = false; // something stands behind the end
    while (cut_suffix(text, spaces) || cut_suffix(text, closing)) over = true;
    if (cut_suffix(text, ends)) return true;
    if (!text.ends_with('.')) return false;
    return over || (text.size() >= 2 && !(text[text.size() - 2] >= '0' && text[text.size() - 2] <= '9')); // 3.14 may go on
}

} // namespace steer
