// Breaks streamed text into lines of a given width. Words stay whole, Japanese breaks anywhere but before closing
// marks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chat {

class LineWrapper {
  public:
    // Later lines begin with `indent` blanks. The first line begins behind a prompt that takes `first_column` columns.
    void begin(int columns, int first_column, int indent);

    // Adds text; lines that are finished by it are appended to `finished`, what is still open is open_line().
    void add(std::string_view text, std::vector<std::string>& finished);
    const std::string& open_line() const { return line_; }
    // The window changed: what is too long now is broken again.
    void set_columns(int columns, std::vector<std::string>& finished);

  private:
    void put(std::string_view character, int width, bool may_break_before, std::vector<std::string>& finished);
    void finish_line(std::vector<std::string>& finished);

    int columns_ = 80, indent_ = 0;
    std::string line_;
    int used_ = 0;              // columns of line_, prompt included
    std::size_t break_at_ = 0;  // byte of line_ where its last word begins; 0: no place to break
    bool after_letter_ = false; // the last character was a narrow letter: no break behind it
};

} // namespace chat
