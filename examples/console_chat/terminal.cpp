#include "terminal.h"

#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace chat {

namespace {

termios saved_mode; // one terminal, one mode: shared by all KeyMode objects, of which there is one
bool entered = false;

constexpr std::string_view paste_marks_on = "\x1b[?2004h";
constexpr std::string_view paste_marks_off = "\x1b[?2004l\x1b[?25h\x1b[0m";

} // namespace

bool is_terminal(int fd) {
    const char* kind = std::getenv("TERM");
    return isatty(fd) == 1 && kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

TerminalSize terminal_size(int fd) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
    return {size.ws_col, size.ws_row};
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write(fd, bytes.data(), bytes.size());
        if (written > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (written < 0 && errno == EAGAIN) { // someone made the terminal non-blocking
            pollfd ready{fd, POLLOUT, 0};
            poll(&ready, 1, 1000);
        } else if (written < 0 && errno != EINTR) {
            return;
        }
    }
}

KeyMode::KeyMode() { enter(); }
KeyMode::~KeyMode() { leave(); }

void KeyMode::enter() {
    if (entered || tcgetattr(STDIN_FILENO, &saved_mode) != 0) return;
    termios mode = saved_mode;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
    mode.c_iflag |= ICRNL;
    mode.c_iflag &= ~static_cast<tcflag_t>(IXON);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
    entered = true;
    write_all(STDOUT_FILENO, paste_marks_on);
}

void KeyMode::leave() {
    if (!entered) return;
    entered = false;
    write_all(STDOUT_FILENO, paste_marks_off);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_mode);
}

} // namespace chat
