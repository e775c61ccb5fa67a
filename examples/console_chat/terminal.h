// The terminal as a file: its size, its key-by-key mode, and writes that are not torn.
#pragma once

#include <string_view>

namespace chat {

struct TerminalSize {
    int columns, rows;
};

bool is_terminal(int fd); // and one that understands escape codes
TerminalSize terminal_size(int fd);
void write_all(int fd, std::string_view bytes); // a closed reader is not an error here; the next write tells

// While it lives, keys arrive one by one and are not echoed; Ctrl-C still is a signal. Restores what was there.
class KeyMode {
  public:
    KeyMode();
    ~KeyMode();
    KeyMode(const KeyMode&) = delete;
    KeyMode& operator=(const KeyMode&) = delete;

    void enter();
    void leave();
};

} // namespace chat
