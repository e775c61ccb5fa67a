#include "wrap.h"

#include <utility>

#include "width.h"

namespace chat {

namespace {

// Marks that must not begin a line.
bool is_closing(char32_t c) {
    constexpr std::u32string_view marks =
        U"。、，．！？」』）】〉》〕］｝ー～〜…・ぁぃぅぇぉっゃゅょァィゥェォッャュョ!?,.:;)]}";
    return marks.find(c) != std::u32string_view::npos;
}

} // namespace

void LineWrapper::begin(int columns, int first_column, int indent) {
    columns_ = columns;
    indent_ = indent;
    line_.clear();
    used_ = first_column;
    break_at_ = 0;
    after_letter_ = false;
}

void LineWrapper::finish_line(std::vector<std::string>& finished) {
    finished.push_back(std::move(line_));
    line_.assign(static_cast<std::size_t>(indent_), ' ');
    used_ = indent_;
    break_at_ = 0;
    after_letter_ = false;
}

void LineWrapper::put(std::string_view character, int width, bool may_break_before,
                      std::vector<std::string>& finished) {
    const bool blank_line = used_ <= indent_;
    if (may_break_before && !blank_line) break_at_ = line_.size();
    if (used_ + width > columns_ && !blank_line) {
        std::string word;
        if (break_at_ > 0) {
            word = line_.substr(break_at_);
            line_.resize(break_at_);
        }
        finish_line(finished);
        line_ += word;
        used_ += text_width(word);
    }
    line_ += character;
    used_ += width;
}

void LineWrapper::set_columns(int columns, std::vector<std::string>& finished) {
    columns_ = columns;
    if (used_ <= columns) return;
    const std::string text = std::exchange(line_, {});
    used_ -= text_width(text);
    break_at_ = 0;
    after_letter_ = false;
    add(text, finished);
}

void LineWrapper::add(std::string_view text, std::vector<std::string>& finished) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        const char32_t c = next_character(text, at);
        if (c == '\n') {
            finish_line(finished);
            continue;
        }
        const int width = character_width(c);
        const bool letter = width == 1 && c != ' ';
        const bool may_break = width > 0 && c != ' ' && !is_closing(c) && !(letter && after_letter_);
        if (c == ' ' && used_ + 1 > columns_) { // a blank at the edge becomes the line's end
            finish_line(finished);
            continue;
        }
        put(text.substr(before, at - before), width, may_break, finished);
        if (width > 0) after_letter_ = letter;
    }
}

} // namespace chat
