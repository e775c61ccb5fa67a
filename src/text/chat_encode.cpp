#include "text/chat.h"

namespace steer {
namespace {

// A rendered chat is a row of stretches: a control token, or the plain text between two of them.
struct Stretch {
    int32_t control = -1; // -1: plain
    std::string text;
};

// Where plain stretches of a rendered chat that come from the template are searched for control tokens.
std::vector<Stretch> cut_at_controls(const Tokenizer& tokenizer, std::span<const ChatPiece> pieces) {
    std::vector<Stretch> stretches;
    auto add_plain = [&](std::string_view text) {
        if (text.empty()) return;
        if (stretches.empty() || stretches.back().control >= 0) stretches.emplace_back();
        stretches.back().text.append(text);
    };
    for (const ChatPiece& piece : pieces) {
        std::string_view text = piece.text;
        size_t done = 0;
        ControlMatch match;
        while (piece.from_template && tokenizer.find_next_control(text, done, match)) {
            add_plain(text.substr(done, match.begin - done));
            stretches.push_back({match.id, std::string()});
            done = match.end;
        }
        add_plain(text.substr(done));
    }
    return stretches;
}

// Marks what stands in an assistant's turn. ChatML: <|im_start|>assistant\n ... <|im_end|>
class Speaker {
  public:
    explicit Speaker(const Tokenizer& tokenizer)
        : tokenizer_(tokenizer),
          start_(tokenizer.find_control("<|im_start|>")),
          end_(tokenizer.find_control("<|im_end|>")),
          assistant_(tokenizer.normalise("assistant\n", false)) {}

    // The marks of one more stretch's tokens.
    void add(std::span<const int32_t> ids, bool control, std::vector<uint8_t>& marks) {
        if (control) {
            bool begins = ids[0] == start_ && start_ >= 0;
            marks.push_back(speaking_ && !begins);
            if (begins || ids[0] == end_) speaking_ = false;
            header_ = begins;
            return;
        }
        size_t offset = 0, header = 0;
        if (header_) {
            std::string begin;
            for (int32_t id : ids) {
                begin += tokenizer_.token_bytes(id);
                if (begin.size() >= assistant_.size()) break;
            }
            speaking_ = begin.starts_with(assistant_);
            header = assistant_.size();
            header_ = false;
        }
        for (int32_t id : ids) {
            marks.push_back(speaking_ && offset >= header);
            offset += tokenizer_.token_bytes(id).size();
        }
    }

  private:
    const Tokenizer& tokenizer_;
    int32_t start_, end_;
    std::string assistant_;
    bool speaking_ = false; // inside an assistant's turn
    bool header_ = false;   // the last token was <|im_start|>
};

// The next stretch of prefer: one control token, or all tokens up to the next.
std::span<const int32_t> next_stretch(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    if (ids.empty() || tokenizer.is_control(ids[0])) return ids.first(ids.empty() ? 0 : 1);
    size_t count = 1;
    while (count < ids.size() && !tokenizer.is_control(ids[count])) ++count;
    return ids.first(count);
}

bool spells(const Tokenizer& tokenizer, std::span<const int32_t> ids, const Stretch& stretch, bool begins) {
    if (ids.empty()) return false;
    if (tokenizer.is_control(ids[0])) return ids[0] == stretch.control;
    if (stretch.control >= 0) return false;
    std::string bytes;
    for (int32_t id : ids) {
        std::string_view token = tokenizer.token_bytes(id);
        if (token.empty()) return false; // a padded row
        bytes += token;
    }
    // A sampled reply spells what was rendered; text that we encoded spells its normalised form.
    return bytes == stretch.text || bytes == tokenizer.normalise(stretch.text, begins);
}

} // namespace

size_t spelled_size(const Tokenizer& tokenizer, std::span<const ChatPiece> pieces) {
    size_t size = 0;
    for (const Stretch& stretch : cut_at_controls(tokenizer, pieces))
        size += stretch.control >= 0 ? tokenizer.token_bytes(stretch.control).size()
                                     : tokenizer.normalise(stretch.text, size == 0).size();
    return size;
}

EncodedChat encode_chat(const Tokenizer& tokenizer, const ChatTemplate& chat_template, const ChatRequest& request,
                        std::span<const int32_t> prefer) {
    EncodedChat out;
    Speaker speaker(tokenizer);
    bool taking = true; // as long as prefer has been the same
    for (const Stretch& stretch : cut_at_controls(tokenizer, chat_template.render(request))) {
        size_t begin = out.ids.size();
        std::span<const int32_t> taken = next_stretch(tokenizer, prefer);
        taking = taking && spells(tokenizer, taken, stretch, begin == 0);
        if (taking) {
            out.ids.insert(out.ids.end(), taken.begin(), taken.end());
            prefer = prefer.subspan(taken.size());
        } else if (stretch.control >= 0) {
            out.ids.push_back(stretch.control);
        } else {
            tokenizer.encode(stretch.text, false, out.ids);
        }
        speaker.add(std::span(out.ids).subspan(begin), stretch.control >= 0, out.marks);
    }
    return out;
}

} // namespace steer
