#include "line_editor.h"

#include <algorithm>
#include <utility>

#include "width.h"

namespace chat {

namespace {

constexpr std::size_t line_limit = 1 << 20;

int bytes_of(unsigned char lead) { return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1; }
bool is_middle(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

} // namespace

std::string shown_on_one_line(std::string_view text) {
    std::string out;
    for (char c : printable(text)) {
        if (c == '\n')
            out += "⏎";
        else
            out += c;
    }
    return out;
}

bool LineEditor::feed(std::string_view bytes, std::vector<std::string>& lines) {
    bool open = true;
    for (char c : bytes) open = key(static_cast<unsigned char>(c), lines) && open;
    return open;
}

bool LineEditor::key(unsigned char byte, std::vector<std::string>& lines) {
    if (!escape_.empty()) {
        escape_ += static_cast<char>(byte);
        const bool bracket = escape_.size() == 2 && (byte == '[' || byte == 'O');
        const bool ended = escape_.size() > 2 ? byte >= 0x40 : !bracket;
        if (ended || escape_.size() > 16) escape(std::exchange(escape_, {}));
        return true;
    }
    if (byte >= 0x80) {
        if (partial_.empty() && is_middle(static_cast<char>(byte))) return true;
        partial_ += static_cast<char>(byte);
        const auto lead = static_cast<unsigned char>(partial_[0]);
        if (static_cast<int>(partial_.size()) >= bytes_of(lead)) insert(std::exchange(partial_, {}));
        return true;
    }
    partial_.clear();
    if (pasting_ && (byte == '\r' || byte == '\n' || byte == '\t')) {
        insert(byte == '\t' ? "\t" : "\n");
        return true;
    }
    switch (byte) {
    case '\r':
    case '\n':
        finish(lines);
        break;
    case 0x1B:
        escape_ = "\x1b";
        break;
    case 0x7F:
    case 0x08:
        erase(left_of(cursor_), cursor_);
        break;
    case 0x01:
        cursor_ = 0;
        break;
    case 0x05:
        cursor_ = line_.size();
        break;
    case 0x02:
        cursor_ = left_of(cursor_);
        break;
    case 0x06:
        cursor_ = right_of(cursor_);
        break;
    case 0x0B:
        erase(cursor_, line_.size());
        break;
    case 0x15:
        erase(0, cursor_);
        break;
    case 0x17:
        erase(word_left_of(cursor_), cursor_);
        break;
    case 0x10:
        recall(-1);
        break;
    case 0x0E:
        recall(1);
        break;
    case 0x04:
        if (line_.empty()) return false;
        erase(cursor_, right_of(cursor_));
        break;
    default:
        if (byte >= 0x20) insert(std::string(1, static_cast<char>(byte)));
    }
    return true;
}

void LineEditor::escape(std::string_view sequence) {
    const std::string_view code = sequence.substr(1);
    if (code == "[200~")
        pasting_ = true;
    else if (code == "[201~")
        pasting_ = false;
    else if (code == "[A" || code == "OA")
        recall(-1);
    else if (code == "[B" || code == "OB")
        recall(1);
    else if (code == "[C" || code == "OC")
        cursor_ = right_of(cursor_);
    else if (code == "[D" || code == "OD")
        cursor_ = left_of(cursor_);
    else if (code == "[H" || code == "OH" || code == "[1~")
        cursor_ = 0;
    else if (code == "[F" || code == "OF" || code == "[4~")
        cursor_ = line_.size();
    else if (code == "[3~")
        erase(cursor_, right_of(cursor_));
}

void LineEditor::insert(std::string_view text) {
    if (line_.size() + text.size() > line_limit) return;
    line_.insert(cursor_, text);
    cursor_ += text.size();
}

void LineEditor::erase(std::size_t from, std::size_t to) {
    line_.erase(from, to - from);
    cursor_ = from;
}

std::size_t LineEditor::left_of(std::size_t at) const {
    if (at == 0) return 0;
    do --at;
    while (at > 0 && is_middle(line_[at]));
    // A mark goes with the character it sits on.
    std::size_t end = at;
    if (at > 0 && character_width(next_character(line_, end)) == 0) return left_of(at);
    return at;
}

std::size_t LineEditor::right_of(std::size_t at) const {
    if (at >= line_.size()) return line_.size();
    next_character(line_, at);
    for (std::size_t end = at; end < line_.size(); at = end) {
        if (character_width(next_character(line_, end)) != 0) break;
    }
    return at;
}

std::size_t LineEditor::word_left_of(std::size_t at) const {
    while (at > 0 && line_[at - 1] == ' ') --at;
    while (at > 0 && line_[at - 1] != ' ') --at;
    return at;
}

void LineEditor::recall(int direction) {
    if (direction < 0 ? recalled_ == 0 : recalled_ >= history_.size()) return;
    if (recalled_ == history_.size()) draft_ = line_;
    recalled_ = direction < 0 ? recalled_ - 1 : recalled_ + 1;
    line_ = recalled_ == history_.size() ? draft_ : history_[recalled_];
    cursor_ = line_.size();
}

void LineEditor::finish(std::vector<std::string>& lines) {
    if (!line_.empty() && (history_.empty() || history_.back() != line_)) history_.push_back(line_);
    lines.push_back(std::exchange(line_, {}));
    clear();
}

void LineEditor::clear() {
    line_.clear();
    partial_.clear();
    cursor_ = 0;
    recalled_ = history_.size();
}

LineEditor::View LineEditor::view(int columns) const {
    const std::string before = shown_on_one_line(std::string_view(line_).substr(0, cursor_));
    const std::string after = shown_on_one_line(std::string_view(line_).substr(cursor_));
    // The window begins so that the cursor stays inside it.
    std::string_view head = before;
    int width = text_width(head);
    while (width > columns - 1 && !head.empty()) {
        std::size_t at = 0;
        width -= character_width(next_character(head, at));
        head.remove_prefix(at);
    }
    return {std::string(head) + std::string(fit(after, std::max(0, columns - width))), width};
}

} // namespace chat
