// From the tokens of a reply to the text that a host shows: whole characters, no control tokens, no part of a stop text.
#pragma once

#include "text/stop_matcher.h"
#include "text/tokenizer.h"
#include "text/utf8_gate.h"

#include <span>
#include <string>

namespace steer {

class ReplyText {
  public:
    ReplyText() = default;
    explicit ReplyText(std::span<const std::string> stop_texts) : stops_(stop_texts) {}
    // Stop texts from now on; what is held goes on being watched.
    void set_stop_texts(std::span<const std::string> stop_texts);

    std::string push(const Tokenizer& tokenizer, int32_t token); // what may be shown now
    std::string flush();                                         // what was held, at the end
    bool stopped() const { return stops_.matched(); }
    bool held() const { return gate_.held() || stops_.held() || !waiting_.empty(); }
    bool ends_sentence() const; // what was shown so far

  private:
    std::string show(std::string text);

    Utf8Gate gate_;
    StopMatcher stops_;
    std::string waiting_; // let go of by a change of stop texts, shown with the next token
    std::string tail_; // the end of what was shown: enough to see a sentence's
};

} // namespace steer
