// The line being typed. The kernel's own line editing erases one column for a character of two, so it is done here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chat {

// Safe to print and without line breaks, which become a mark.
std::string shown_on_one_line(std::string_view text);

class LineEditor {
  public:
    // Takes bytes as they come from the terminal; whole lines are appended to `lines`.
    // False: Ctrl-D on an empty line.
    bool feed(std::string_view bytes, std::vector<std::string>& lines);
    void clear();

    struct View {
        std::string text; // the part of the line that fits
        int cursor;       // column in it
    };
    View view(int columns) const;

  private:
    bool key(unsigned char byte, std::vector<std::string>& lines);
    void escape(std::string_view sequence);
    void insert(std::string_view text);
    void erase(std::size_t from, std::size_t to);
    std::size_t left_of(std::size_t at) const;
    std::size_t right_of(std::size_t at) const;
    std::size_t word_left_of(std::size_t at) const;
    void recall(int direction);
    void finish(std::vector<std::string>& lines);

    std::string line_;
    std::size_t cursor_ = 0;
    std::string escape_; // an escape sequence or a character, as far as it has come
    std::string partial_;
    bool pasting_ = false;
    std::vector<std::string> history_;
    std::size_t recalled_ = 0; // index in history_; its size: the new line
    std::string draft_;
};

} // namespace chat
