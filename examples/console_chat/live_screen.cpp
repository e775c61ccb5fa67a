#include <algorithm>
#include <unistd.h>

#include "screen.h"
#include "terminal.h"
#include "width.h"
#include "wrap.h"

namespace chat {

namespace {

constexpr int speaker_room = 14;
constexpr int least_columns_for_indent = 40;
constexpr std::size_t most_waiting_shown = 3;
constexpr const char* bold_pink = "\x1b[1;95m";
constexpr const char* bold_cyan = "\x1b[1;96m";
constexpr const char* dim = "\x1b[2m";

// The scrollback holds what is finished. Below it the live area is drawn again with each token: the reply's open line,
// the gauges, messages that wait, the line being typed. One write for each change, so nothing flickers.
class LiveScreen final : public Screen {
  public:
    explicit LiveScreen(const ScreenStyle& style)
        : style_(style), speaker_(fit(style.speaker, speaker_room)), label_width_(std::max(text_width(speaker_), 3)) {
        measure();
    }

    void banner(const std::vector<std::string>& lines) override {
        std::vector<std::string> rows;
        const std::string side = paint(dim, "│") + " ";
        rows.push_back(paint(dim, "╭─ ") + paint(bold_pink, std::string(fit("steer chat", columns_ - 3))));
        for (const std::string& whole : lines) {
            const std::string line(fit(whole, columns_ - 2));
            const std::size_t gap = std::min(line.find(' '), line.size());
            rows.push_back(side + paint(dim, line.substr(0, gap)) + line.substr(gap));
        }
        rows.push_back(paint(dim, std::string(fit("╰─ /help lists the commands, Ctrl-C stops a reply", columns_))));
        rows.push_back({});
        draw(rows);
    }

    void user_message(const std::string& text) override {
        std::vector<std::string> rows;
        wrap_all(rows, label("You", bold_cyan), printable(text));
        draw(rows);
    }

    void begin_reply() override {
        replying_ = true;
        first_line_ = true;
        wrapper_.begin(columns_, prompt_width(), indent());
        gauges_.clear();
        status_.clear();
        draw();
    }

    void reply_text(std::string_view text) override {
        std::vector<std::string> finished;
        if (cut_open_ && text.starts_with(' ')) text.remove_prefix(1); // the cut stands for the blank
        cut_open_ = false;
        wrapper_.add(printable(text), finished);
        draw(with_label(finished));
    }

    void status(const std::string& text) override {
        status_ = text;
        draw();
    }

    void gauges(const std::vector<GaugeReading>& readings) override { // drawn by the text that comes with them
        gauges_ = readings;
        status_.clear();
    }

    void end_reply(const std::vector<GaugeReading>& results, const std::vector<std::string>&,
                   const std::string& note) override {
        std::vector<std::string> rows;
        if (first_line_ || open_line_has_text()) rows = take_open_line();
        replying_ = false;
        for (const GaugeReading& result : results) rows.push_back(gauge_line(result, columns_, style_.colour));
        if (!note.empty()) rows.push_back(paint(dim, std::string(fit(note, columns_))));
        rows.push_back({});
        gauges_.clear();
        draw(rows);
    }

    void say(const std::vector<std::string>& lines, Tone tone) override {
        std::vector<std::string> rows;
        if (replying_ && open_line_has_text()) {
            rows = take_open_line();
            cut_open_ = true;
        }
        const char* colour = tone == Tone::error ? "\x1b[91m" : tone == Tone::warning ? "\x1b[93m" : dim;
        for (const std::string& line : lines) {
            std::vector<std::string> parts;
            LineWrapper wrapper;
            wrapper.begin(columns_ - 2, 0, 0);
            wrapper.add(line, parts);
            parts.push_back(wrapper.open_line());
            for (const std::string& part : parts) rows.push_back(paint(colour, "│ " + part));
        }
        if (!replying_) rows.push_back({});
        draw(rows);
    }

    void waiting(const std::vector<std::string>& messages) override {
        waiting_ = messages;
        draw();
    }

    void input_changed() override { draw(); }

    void look_at_size() override {
        const TerminalSize before{columns_, rows_};
        measure();
        if (columns_ == before.columns && rows_ == before.rows) return;
        std::vector<std::string> finished;
        if (replying_) wrapper_.set_columns(columns_, finished);
        draw(with_label(finished));
    }

    void close() override {
        closed_ = true;
        draw(replying_ ? take_open_line() : std::vector<std::string>{});
    }

    void reopen() override {
        closed_ = false;
        measure();
        draw();
    }

  private:
    struct Row {
        std::string text;
        int width; // for the way back up when the window has become narrower
    };

    std::string paint(const char* colour, const std::string& text) const {
        return style_.colour ? colour + text + "\x1b[0m" : text;
    }
    std::string label(const std::string& name, const char* colour) const {
        const int blanks = label_width_ - text_width(name);
        return std::string(static_cast<std::size_t>(std::max(0, blanks)), ' ') + paint(colour, name) +
               paint(dim, " › ");
    }
    int prompt_width() const { return label_width_ + 3; }
    int indent() const { return columns_ >= least_columns_for_indent ? prompt_width() : 0; }

    void measure() {
        const TerminalSize size = terminal_size(STDOUT_FILENO);
        columns_ = std::max(8, size.columns - 1); // the last column stays empty: terminals differ in what they do there
        rows_ = size.rows;
    }

    void wrap_all(std::vector<std::string>& rows, const std::string& prompt, const std::string& text) const {
        LineWrapper wrapper;
        wrapper.begin(columns_, prompt_width(), indent());
        std::vector<std::string> lines;
        wrapper.add(text, lines);
        lines.push_back(wrapper.open_line());
        lines.front() = prompt + lines.front();
        rows.insert(rows.end(), lines.begin(), lines.end());
    }

    // The first line of a reply carries the speaker's name.
    std::vector<std::string> with_label(std::vector<std::string> finished) {
        if (first_line_ && !finished.empty()) {
            finished.front() = label(speaker_, bold_pink) + finished.front();
            first_line_ = false;
        }
        return finished;
    }
    bool open_line_has_text() const { return wrapper_.open_line().find_first_not_of(' ') != std::string::npos; }
    // What comes next begins a line of its own.
    std::vector<std::string> take_open_line() {
        std::vector<std::string> finished;
        wrapper_.add("\n", finished);
        return with_label(finished);
    }

    std::vector<Row> live_rows() const {
        std::vector<Row> rows;
        auto add = [&](const std::string& text, int width) { rows.push_back({text, width}); };
        if (replying_) {
            const std::string& open = wrapper_.open_line();
            add(first_line_ ? label(speaker_, bold_pink) + open : open,
                text_width(open) + (first_line_ ? prompt_width() : 0));
            const int room = std::max(1, rows_ - 4);
            for (const GaugeReading& reading : gauges_) {
                if (static_cast<int>(rows.size()) > room) break;
                add(gauge_line(reading, columns_, style_.colour), text_width(gauge_line(reading, columns_, false)));
            }
            if (gauges_.empty())
                add(paint(dim, std::string(fit(status_, columns_))), text_width(fit(status_, columns_)));
        }
        for (std::size_t i = 0; i < waiting_.size() && i < most_waiting_shown; ++i) {
            const std::string blanks(static_cast<std::size_t>(std::max(0, label_width_ - 4)), ' ');
            const std::string shown(fit(blanks + "next › " + shown_on_one_line(waiting_[i]), columns_));
            add(paint(dim, shown), text_width(shown));
        }
        return rows;
    }

    // Rows that the last drawing takes between its first row and the cursor, in the window as it is now.
    int rows_above_cursor() const {
        int rows = cursor_column_ / (columns_ + 1);
        for (const int width : drawn_widths_) rows += std::max(0, width - 1) / (columns_ + 1) + 1;
        return rows;
    }

    void draw(const std::vector<std::string>& finished = {}) {
        std::string out = "\x1b[?25l\r";
        if (const int up = rows_above_cursor(); up > 0) out += "\x1b[" + std::to_string(up) + "A";
        for (const std::string& line : finished) out += line + "\x1b[K\r\n";
        drawn_widths_.clear();
        cursor_column_ = 0;
        if (!closed_) {
            for (const Row& row : live_rows()) {
                out += row.text + "\x1b[K\r\n";
                drawn_widths_.push_back(row.width);
            }
            if (style_.editor != nullptr) {
                const LineEditor::View view = style_.editor->view(columns_ - prompt_width());
                out += label("You", replying_ ? dim : bold_cyan) + view.text + "\x1b[J\r";
                cursor_column_ = prompt_width() + view.cursor;
                out += "\x1b[" + std::to_string(cursor_column_) + "C";
            }
        }
        out += style_.editor == nullptr || closed_ ? "\x1b[J\x1b[?25h" : "\x1b[?25h";
        write_all(STDOUT_FILENO, out);
    }

    ScreenStyle style_;
    std::string speaker_;
    int label_width_;
    int columns_ = 79, rows_ = 24;

    bool replying_ = false, first_line_ = false, closed_ = false;
    bool cut_open_ = false; // something was said in the middle of a line
    LineWrapper wrapper_;
    std::vector<GaugeReading> gauges_;
    std::string status_;
    std::vector<std::string> waiting_;

    std::vector<int> drawn_widths_; // of the rows above the cursor
    int cursor_column_ = 0;
};

} // namespace

std::unique_ptr<Screen> make_live_screen(const ScreenStyle& style) { return std::make_unique<LiveScreen>(style); }

} // namespace chat
