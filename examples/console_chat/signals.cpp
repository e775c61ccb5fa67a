#include "signals.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "steer/steer.h"

namespace chat {

namespace {

int wake_pipe[2] = {-1, -1};
std::atomic<steer_session*> session_to_cancel{nullptr};
std::atomic<int> interrupts{0};
std::atomic<int> end_signal{0};
std::atomic<bool> suspend{false};
std::atomic<bool> end_at_second{false};

void poke() {
    const int saved = errno;
    const char byte = 0;
    [[maybe_unused]] const ssize_t ignored = write(wake_pipe[1], &byte, 1); // full: it is awake anyway
    errno = saved;
}

void cancel_session() {
    if (steer_session* session = session_to_cancel.load()) steer_session_cancel(session, 0);
}

void on_signal(int number) {
    if (number == SIGINT) {
        if (interrupts.fetch_add(1) > 0 && end_at_second.load()) _exit(128 + SIGINT);
        cancel_session();
    } else if (number == SIGTSTP) {
        suspend = true;
    } else if (number != SIGWINCH) {
        end_signal = number;
        cancel_session();
    }
    poke();
}

void catch_signal(int number) {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
}

} // namespace

Signals::Signals() {
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) catch_signal(number);
    std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() { session_to_cancel = nullptr; }

int Signals::wake_fd() const { return wake_pipe[0]; }
void Signals::wake() { poke(); }

void Signals::drain() {
    char bytes[64];
    while (read(wake_pipe[0], bytes, sizeof bytes) > 0) {
    }
}

void Signals::cancels(steer_session* session) { session_to_cancel = session; }
void Signals::second_ends(bool on) { end_at_second = on; }
void Signals::catch_suspend() { catch_signal(SIGTSTP); }
int Signals::take_interrupts() { return interrupts.exchange(0); }
bool Signals::interrupted() const { return interrupts.load() > 0 || end_signal.load() != 0; }
bool Signals::take_suspend() { return suspend.exchange(false); }
int Signals::ended_by() const { return end_signal.load(); }

} // namespace chat
