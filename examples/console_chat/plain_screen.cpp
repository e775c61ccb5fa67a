#include <unistd.h>

#include "screen.h"
#include "terminal.h"
#include "width.h"

namespace chat {

namespace {

// Text that flows: no escape codes, one summary of the gauges below each reply, trouble on standard error.
class PlainScreen final : public Screen {
  public:
    PlainScreen(std::string speaker, bool echo) : speaker_(std::move(speaker)), echo_(echo) {}

    void banner(const std::vector<std::string>& lines) override {
        std::string text;
        for (const std::string& line : lines) text += line + "\n";
        write_all(STDOUT_FILENO, text + "\n");
    }
    void user_message(const std::string& text) override {
        if (echo_) write_all(STDOUT_FILENO, "You: " + printable(text) + "\n");
    }
    void begin_reply() override {
        write_all(STDOUT_FILENO, speaker_ + ": ");
        at_line_start_ = false;
    }
    void reply_text(std::string_view text) override {
        if (text.empty()) return;
        write_all(STDOUT_FILENO, printable(text));
        at_line_start_ = text.back() == '\n';
    }
    void end_reply(const std::vector<GaugeReading>&, const std::vector<std::string>& summary,
                   const std::string& note) override {
        end_line();
        std::string text;
        for (const std::string& line : summary) text += line + "\n";
        if (!note.empty()) text += "[" + note + "]\n";
        write_all(STDOUT_FILENO, text + "\n");
    }
    void say(const std::vector<std::string>& lines, Tone tone) override {
        end_line();
        const bool trouble = tone != Tone::note;
        const char* mark = tone == Tone::error ? "steer_chat: " : tone == Tone::warning ? "steer_chat: warning: " : "";
        for (const std::string& line : lines) write_all(trouble ? STDERR_FILENO : STDOUT_FILENO, mark + line + "\n");
    }
    void close() override { end_line(); }

    void status(const std::string&) override {}
    void gauges(const std::vector<GaugeReading>&) override {}
    void waiting(const std::vector<std::string>&) override {}
    void input_changed() override {}
    void look_at_size() override {}
    void reopen() override {}

  private:
    void end_line() {
        if (!at_line_start_) write_all(STDOUT_FILENO, "\n");
        at_line_start_ = true;
    }

    std::string speaker_;
    bool echo_, at_line_start_ = true;
};

} // namespace

std::unique_ptr<Screen> make_plain_screen(const std::string& speaker, bool echo_messages) {
    return std::make_unique<PlainScreen>(speaker, echo_messages);
}

} // namespace chat
