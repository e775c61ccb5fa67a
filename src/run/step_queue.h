// Steps that wait for the same model at the same time become one pass: the first waiting thread takes what all have brought
// and computes it (flat combining), so that many conversations in many threads cost about as much as one.
#pragma once

#include "run/pass.h"

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <thread>

namespace steer {

class StepQueue {
  public:
    // Computes a pass of rows; called by one thread at a time. Never throws.
    using Compute = std::function<void(std::span<PassRow* const>)>;
    explicit StepQueue(Compute compute) : compute_(std::move(compute)) {}

    // Returns when all rows are done, by this thread or another.
    void run(std::span<PassRow* const> rows);

    // Runs work while no pass runs, after the present one.
    void alone(const std::function<void()>& work);
    bool alone_if_idle(const std::function<void()>& work); // false: something runs or waits, nothing was done

  private:
    struct Group {
        std::span<PassRow* const> rows;
        bool done = false;
        std::condition_variable wake;
    };

    using Groups = std::list<Group*>; // spliced from list to list: nothing allocates while others wait

    void refuse_own_thread() const; // STEER_ERR_BUSY: it would wait for itself
    Groups take_next();
    void compute(const Groups& groups);
    void work_alone(std::unique_lock<std::mutex>& lock, const std::function<void()>& work);
    void hand_over(); // wakes the next in line, if anyone waits

    Compute compute_;
    std::mutex mutex_;
    Groups waiting_; // empty rows: work that wants to be alone
    bool busy_ = false;
    std::thread::id worker_; // who computes while busy_
};

} // namespace steer
