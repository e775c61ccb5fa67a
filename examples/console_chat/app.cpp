#include "app.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "log.h"
#include "numbers.h"
#include "width.h"

namespace chat {

namespace {

constexpr auto twice_quickly = std::chrono::milliseconds(1500);
constexpr auto patience_at_the_end = std::chrono::seconds(3);
constexpr int interrupted_status = 130;

bool readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return poll(&waiting, 1, 0) > 0;
}

std::string note_of(const ReplyResult& result, int max_tokens) {
    switch (result.finish) {
    case STEER_FINISH_TOKEN_MAX:
        return "cut at --max-tokens " + std::to_string(max_tokens);
    case STEER_FINISH_CANCELLED:
        return "stopped";
    case STEER_FINISH_CONTEXT_FULL:
        return "the context is full: /reset begins a new conversation";
    case STEER_FINISH_STOP_TOKEN:
    case STEER_FINISH_STOP_TEXT:
        return {};
    default:
        return std::string("ended: ") + finish_name(result.finish);
    }
}

bool use_colour() {
    const char* off = std::getenv("NO_COLOR");
    return off == nullptr || *off == '\0';
}

} // namespace

App::App(ChatHost& host, Signals& signals)
    : host_(host),
      signals_(signals),
      keys_(is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO)),
      typed_(isatty(STDIN_FILENO) == 1),
      conversation_(host.options().system),
      board_(host.persona()),
      reply_(host.model(), host.session(), host.persona(), [&signals] { signals.wake(); }) {
    const std::string speaker = host.persona() != nullptr ? host.persona()->name() : "model";
    if (keys_) {
        key_mode_ = std::make_unique<KeyMode>();
        signals.catch_suspend();
    }
    if (is_terminal(STDOUT_FILENO)) {
        screen_ = make_live_screen({speaker, use_colour(), keys_ ? &editor_ : nullptr});
        log_keep([&signals] { signals.wake(); });
    } else {
        screen_ = make_plain_screen(speaker, !typed_);
    }
}

App::~App() { log_keep({}); }

int App::run() {
    screen_->banner(host_.banner());
    loop();
    screen_->close();
    key_mode_.reset();
    if (replying_) { // the backend is deep in its work: leave it there, the system frees what is left
        reply_.stop();
        std::fflush(nullptr);
        _exit(interrupted_status);
    }
    if (const int number = signals_.ended_by(); number != 0) return 128 + number;
    if (left_by_interrupt_) return interrupted_status;
    return failed_ && !typed_ ? 1 : 0;
}

void App::loop() {
    auto deadline = std::chrono::steady_clock::time_point::max();
    for (;;) {
        if (quit_ && !replying_) return;
        const auto now = std::chrono::steady_clock::now();
        if (quit_ && deadline == std::chrono::steady_clock::time_point::max()) deadline = now + patience_at_the_end;
        if (now > deadline) return;
        if (!input_open_ && !replying_ && waiting_.empty()) return;
        poll_once();
    }
}

void App::poll_once() {
    pollfd fds[] = {{signals_.wake_fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    const nfds_t count = input_open_ && !quit_ ? 2 : 1;
    if (poll(fds, count, quit_ ? 100 : -1) < 0) return; // a signal: its byte is in the pipe
    if ((fds[0].revents & POLLIN) != 0) on_wake();
    if (count == 2 && fds[1].revents != 0) on_stdin();
    if (!quit_) pump();
}

void App::on_stdin() {
    std::vector<std::string> lines;
    do { // all there is, so that lines sent together keep their order
        char bytes[4096];
        const ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
        if (size < 0 && (errno == EINTR || errno == EAGAIN)) break;
        const std::string_view text(bytes, size > 0 ? static_cast<std::size_t>(size) : 0);
        if (keys_) {
            input_open_ = size > 0 && editor_.feed(text, lines);
        } else {
            input_open_ = size > 0;
            unfinished_line_ += text;
            for (std::size_t end; (end = unfinished_line_.find('\n')) != std::string::npos;) {
                lines.push_back(unfinished_line_.substr(0, end));
                unfinished_line_.erase(0, end + 1);
            }
            if (!input_open_ && !unfinished_line_.empty()) lines.push_back(std::exchange(unfinished_line_, {}));
        }
    } while (input_open_ && readable(STDIN_FILENO));
    for (const std::string& line : lines) on_line(line);
    if (keys_) screen_->input_changed();
}

void App::on_line(const std::string& raw) {
    const std::string line = valid_text(trimmed(raw));
    if (line.empty() || quit_) return;
    interrupted_before_ = false;
    const bool control = is_command(line) || is_quit(line);
    // At a terminal a command acts when it is typed. In a pipe it acts in its turn, but while a reply streams and
    // nothing else waits its turn is now.
    const bool now = control && (typed_ || (waiting_.empty() && !is_quit(line)));
    if (now && (typed_ || replying_)) {
        run_command(parse_command(is_command(line) ? line : "/" + line));
        return;
    }
    waiting_.push_back(line);
    if (replying_) show_waiting();
}

void App::show_waiting() { screen_->waiting({waiting_.begin(), waiting_.end()}); }

void App::pump() {
    while (!replying_ && !quit_) {
        if (!after_reply_.empty()) {
            const Command command = after_reply_.front();
            after_reply_.erase(after_reply_.begin());
            run_command(command);
            continue;
        }
        if (waiting_.empty()) return;
        const std::string line = waiting_.front();
        waiting_.pop_front();
        show_waiting();
        if (is_command(line) || is_quit(line))
            run_command(parse_command(is_command(line) ? line : "/" + line));
        else
            answer(line);
    }
}

void App::answer(const std::string& text) {
    screen_->user_message(text);
    screen_->begin_reply();
    board_.begin_reply();
    conversation_.add_user(text);
    reply_text_.clear();
    replying_ = true;
    reply_.start(conversation_.messages());
}

void App::on_event(const ReplyEvent& event) {
    if (const auto* prompt = std::get_if<PromptLeft>(&event)) {
        screen_->status(prompt->tokens > 1 ? "reading: " + std::to_string(prompt->tokens) + " tokens to go" : "");
    } else if (const auto* token = std::get_if<ReplyToken>(&event)) {
        board_.see(*token);
        reply_text_ += token->text;
        screen_->gauges(board_.readings());
        screen_->reply_text(token->text);
    } else if (const auto* result = std::get_if<ReplyResult>(&event)) {
        end_reply(result->text, note_of(*result, host_.options().max_tokens));
    } else if (const auto* failure = std::get_if<ReplyFailed>(&event)) {
        failed_ = true;
        end_reply(failure->partial_text, {});
        say(failure->words, Tone::error);
    }
}

void App::end_reply(const std::string& text, const std::string& note) {
    reply_.join();
    replying_ = false;
    screen_->end_reply(board_.results(), board_.summary(), note);
    if (text.empty())
        conversation_.drop_unanswered(); // as if it had not been asked
    else
        conversation_.add_reply(text);
}

void App::on_wake() {
    signals_.drain();
    if (signals_.take_interrupts() > 0) on_interrupt();
    if (signals_.ended_by() != 0) quit();
    if (signals_.take_suspend()) suspend();
    for (const ReplyEvent& event : reply_.take()) on_event(event);
    for (const std::string& warning : log_take()) say(warning, Tone::warning);
    screen_->look_at_size();
}

void App::on_interrupt() {
    const auto now = std::chrono::steady_clock::now();
    const bool twice = interrupted_before_ && now - last_interrupt_ < twice_quickly;
    interrupted_before_ = true;
    last_interrupt_ = now;
    if (twice) {
        left_by_interrupt_ = true;
        quit();
    } else if (replying_) {
        reply_.stop();
    } else {
        editor_.clear();
        say("Ctrl-C again leaves");
    }
}

void App::quit() {
    quit_ = true;
    if (replying_) reply_.stop();
}

void App::suspend() {
    screen_->close();
    if (key_mode_) key_mode_->leave();
    raise(SIGSTOP);
    if (key_mode_) key_mode_->enter();
    screen_->reopen();
}

} // namespace chat
