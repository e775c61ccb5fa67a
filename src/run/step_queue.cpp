#include "run/step_queue.h"

#include "files/error.h"

#include <algorithm>
#include <vector>

namespace steer {
namespace {

bool is_decode(std::span<PassRow* const> rows) {
    return std::all_of(rows.begin(), rows.end(), [](const PassRow* row) { return row->ids.size() == 1; });
}

} // namespace

void StepQueue::run(std::span<PassRow* const> rows) {
    Group group{rows, false, {}};
    Groups own{&group};
    std::unique_lock lock(mutex_);
    refuse_own_thread();
    waiting_.splice(waiting_.end(), own);
    while (!group.done) {
        if (busy_ || waiting_.front()->rows.empty()) { // or somebody before us wants to be alone
            group.wake.wait(lock);
            continue;
        }
        busy_ = true;
        worker_ = std::this_thread::get_id();
        const Groups taken = take_next();
        lock.unlock();
        compute(taken);
        lock.lock();
        busy_ = false;
        for (Group* one : taken) {
            one->done = true;
            one->wake.notify_one();
        }
        hand_over();
    }
}

void StepQueue::alone(const std::function<void()>& work) {
    Group group{{}, false, {}};
    Groups own{&group};
    std::unique_lock lock(mutex_);
    refuse_own_thread();
    waiting_.splice(waiting_.end(), own);
    while (busy_ || waiting_.front() != &group) group.wake.wait(lock);
    own.splice(own.end(), waiting_, waiting_.begin());
    work_alone(lock, work);
}

bool StepQueue::alone_if_idle(const std::function<void()>& work) {
    std::unique_lock lock(mutex_);
    if (busy_ || !waiting_.empty()) return false;
    work_alone(lock, work);
    return true;
}

void StepQueue::work_alone(std::unique_lock<std::mutex>& lock, const std::function<void()>& work) {
    busy_ = true;
    worker_ = std::this_thread::get_id();
    lock.unlock();
    const auto give_back = [&] {
        lock.lock();
        busy_ = false;
        hand_over();
    };
    try {
        work();
    } catch (...) {
        give_back();
        throw;
    }
    give_back();
}

// A callback that the model's own work has made, a progress or a log function, calls for more of it.
void StepQueue::refuse_own_thread() const {
    if (busy_ && worker_ == std::this_thread::get_id())
        fail(STEER_ERR_BUSY, "this call came from a callback of the model that is at work: it would wait for itself");
}

void StepQueue::compute(const Groups& groups) {
    std::vector<PassRow*> all;
    try {
        for (const Group* one : groups) all.insert(all.end(), one->rows.begin(), one->rows.end());
    } catch (...) { // no memory for the list: one after the other then
        for (const Group* one : groups) compute_(one->rows);
        return;
    }
    compute_(all);
}

// All that waits for one token each, and of the longer pieces the first: a prompt never waits behind a later one, and a
// talking row never waits for more than one piece of a prompt.
StepQueue::Groups StepQueue::take_next() {
    Groups taken;
    bool has_prompt = false;
    for (auto next = waiting_.begin(); next != waiting_.end() && !(*next)->rows.empty();) {
        const auto group = next++;
        const bool prompt = !is_decode((*group)->rows);
        if (prompt && has_prompt) continue;
        has_prompt = has_prompt || prompt;
        taken.splice(taken.end(), waiting_, group);
    }
    return taken;
}

void StepQueue::hand_over() {
    if (!waiting_.empty()) waiting_.front()->wake.notify_one();
}

} // namespace steer
