// Steps of many threads in one pass; what fails in a pass stays its own row's.
#include "fake/fake_backend.h"
#include "files/error.h"
#include "run/step_queue.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <memory>
#include <thread>

using namespace steer;

namespace {

ModelConfig config() {
    ModelConfig config;
    config.layer_count = 2;
    config.hidden_size = 8;
    config.vocab_size = 32;
    return config;
}

// Fails any pass that holds token 13, as a backend might that cannot compute one row.
class Unlucky : public FakeBackend {
  public:
    using FakeBackend::FakeBackend;
    Ticket submit(const Batch& batch) override {
        passes++;
        if (std::find(batch.ids.begin(), batch.ids.end(), 13) != batch.ids.end()) fail(STEER_ERR_DEVICE, "token 13");
        return FakeBackend::submit(batch);
    }
    int passes = 0;
};

struct OneRow {
    std::vector<int32_t> ids;
    std::vector<uint8_t> reply;
    BlockTable blocks;
    SamplingSettings settings;
    Draw draw{};
    PassRow row;

    OneRow(std::shared_ptr<CachePool> pool, std::vector<int32_t> tokens) : ids(std::move(tokens)), reply(ids.size(), 1), blocks(pool) {
        draw.settings = &settings;
        draw.seed = 5;
        draw.position = static_cast<int32_t>(ids.size());
        draw.vocab_size = 32;
        draw.tokens = ids;
        row.ids = ids;
        row.chooses_reply = reply;
        row.blocks = &blocks;
        row.draw = &draw;
    }
};

} // namespace

TEST_CASE("a row that cannot be computed does not disturb the others") {
    Unlucky backend(config(), {});
    backend.load(Place::device, {});
    auto pool = std::make_shared<CachePool>(backend, 0);
    std::vector<std::unique_ptr<OneRow>> rows;
    std::vector<PassRow*> pointers;
    for (const int32_t token : {3, 13, 7}) {
        rows.push_back(std::make_unique<OneRow>(pool, std::vector<int32_t>{1, 2, token}));
        pointers.push_back(&rows.back()->row);
    }
    run_pass(backend, pointers);
    CHECK(backend.passes == 4);
    CHECK(rows[0]->row.status == STEER_OK);
    CHECK(rows[0]->row.drawn.token >= 0);
    CHECK(rows[1]->row.status == STEER_ERR_DEVICE);
    CHECK(rows[1]->row.message == "token 13");
    CHECK(rows[2]->row.status == STEER_OK);
    OneRow alone(pool, {1, 2, 7});
    PassRow* only = &alone.row;
    run_pass(backend, {&only, 1});
    CHECK(alone.row.drawn.token == rows[2]->row.drawn.token);
    CHECK(alone.row.drawn.log_prob == rows[2]->row.drawn.log_prob);
}

TEST_CASE("a row that finds no memory does not disturb the others") {
    BackendOptions options;
    FakeBackend backend(config(), options);
    backend.load(Place::device, {});
    const uint64_t block = backend.memory().cache_bytes_per_token * kBlockSize;
    auto pool = std::make_shared<CachePool>(backend, backend.memory().used + 2 * block);
    OneRow first(pool, {1, 2}), large(pool, std::vector<int32_t>(200, 1)), last(pool, {3});
    PassRow* rows[] = {&first.row, &large.row, &last.row};
    run_pass(backend, rows);
    CHECK(first.row.status == STEER_OK);
    CHECK(large.row.status == STEER_ERR_DEVICE_MEMORY);
    large.blocks.truncate(0);
    PassRow* again = &last.row;
    last.row.status = STEER_OK;
    run_pass(backend, {&again, 1});
    CHECK(last.row.status == STEER_OK);
}

TEST_CASE("who waits at the same time is computed together") {
    std::mutex mutex;
    std::condition_variable changed;
    bool first_runs = false, go_on = false;
    std::vector<size_t> sizes;
    StepQueue queue([&](std::span<PassRow* const> rows) {
        std::unique_lock lock(mutex);
        sizes.push_back(rows.size());
        if (sizes.size() > 1) return;
        first_runs = true;
        changed.notify_all();
        changed.wait(lock, [&] { return go_on; });
    });
    const int32_t token = 1;
    std::atomic<int> started{0};
    const auto run_one = [&] {
        PassRow row;
        row.ids = {&token, 1};
        PassRow* const pointer = &row;
        started++;
        queue.run({&pointer, 1});
    };
    std::thread first(run_one);
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return first_runs; });
    }
    std::vector<std::thread> others;
    for (int i = 0; i < 5; i++) others.emplace_back(run_one);
    while (started < 6) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(200)); // until they wait
    {
        const std::lock_guard lock(mutex);
        go_on = true;
    }
    changed.notify_all();
    first.join();
    for (std::thread& thread : others) thread.join();
    size_t total = 0;
    for (const size_t size : sizes) total += size;
    CHECK(total == 6);
    CHECK(sizes[1] > 1); // all five, unless the machine was too busy to let them arrive
}

TEST_CASE("work that wants to be alone is alone, and in its turn") {
    std::atomic<int> inside{0}, overlaps{0};
    const auto enter = [&] {
        if (inside.fetch_add(1) != 0) overlaps++;
        std::this_thread::yield();
        inside--;
    };
    StepQueue queue([&](std::span<PassRow* const>) { enter(); });
    std::vector<std::thread> threads;
    const int32_t token = 1;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            for (int n = 0; n < 200; n++) {
                if (i == 0) queue.alone(enter);
                else {
                    PassRow row;
                    row.ids = {&token, 1};
                    PassRow* const pointer = &row;
                    queue.run({&pointer, 1});
                }
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(overlaps == 0);
    CHECK_THROWS_AS(queue.alone([&] { queue.alone(enter); }), Error); // it would wait for itself
    queue.alone(enter); // and is as good as before
    bool ran = false;
    CHECK(queue.alone_if_idle([&] { ran = true; }));
    CHECK(ran);
}
