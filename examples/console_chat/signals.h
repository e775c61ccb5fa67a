// Signals become bytes in a pipe that the event loop polls. Ctrl-C also reaches the session at once.
#pragma once

struct steer_session;

namespace chat {

class Signals {
  public:
    Signals(); // installs the handlers; one object per program
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    int wake_fd() const; // readable when something happened
    void wake();         // [any] makes it readable
    void drain();        // empties it

    // The session that Ctrl-C cancels; null: none.
    void cancels(steer_session* session);
    void catch_suspend(); // Ctrl-Z is told by take_suspend() instead of stopping the process at once
    // From now on a second Ctrl-C ends the process on the spot: for work that no event loop watches.
    void second_ends(bool on);

    int take_interrupts(); // how many Ctrl-C since the last call
    bool interrupted() const;
    bool take_suspend();
    int ended_by() const; // SIGTERM or SIGHUP; 0: none
};

} // namespace chat
