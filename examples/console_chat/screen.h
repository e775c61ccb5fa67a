// Where the chat is shown. Two kinds: a terminal with a live area at its foot, and plain text for pipes and files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gauge_line.h"
#include "line_editor.h"

namespace chat {

enum class Tone { note, warning, error };

class Screen {
  public:
    virtual ~Screen() = default;

    virtual void banner(const std::vector<std::string>& lines) = 0;
    virtual void user_message(const std::string& text) = 0; // it is answered now
    virtual void begin_reply() = 0;
    virtual void reply_text(std::string_view text) = 0;
    virtual void status(const std::string& text) = 0; // shown in place of gauges until there are some
    virtual void gauges(const std::vector<GaugeReading>& readings) = 0;
    virtual void end_reply(const std::vector<GaugeReading>& results, const std::vector<std::string>& summary,
                           const std::string& note) = 0;
    virtual void say(const std::vector<std::string>& lines, Tone tone) = 0;

    virtual void waiting(const std::vector<std::string>& messages) = 0; // typed ahead
    virtual void input_changed() = 0;
    virtual void look_at_size() = 0; // the window may have changed
    virtual void close() = 0;        // the cursor stands below all that was written
    virtual void reopen() = 0;
};

struct ScreenStyle {
    std::string speaker; // the persona's name
    bool colour;
    const LineEditor* editor; // null: nothing is typed here
};
std::unique_ptr<Screen> make_live_screen(const ScreenStyle& style);
std::unique_ptr<Screen> make_plain_screen(const std::string& speaker, bool echo_messages);

} // namespace chat
