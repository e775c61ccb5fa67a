// Cache blocks: counts, copies on write, growth within a budget.
#include "fake/fake_backend.h"
#include "files/error.h"
#include "run/cache.h"

#include <catch2/catch.hpp>

#include <set>

using namespace steer;

namespace {

ModelConfig config() {
    ModelConfig config;
    config.layer_count = 1;
    config.hidden_size = 8;
    config.vocab_size = 16;
    return config;
}

uint64_t block_bytes() { return kBlockSize * 2 * 8 * sizeof(float); }

} // namespace

TEST_CASE("a table holds as many blocks as its positions need") {
    FakeBackend backend(config(), {});
    auto pool = std::make_shared<CachePool>(backend, 0);
    BlockTable table(pool);
    table.make_writable(0, 1);
    CHECK(table.blocks().size() == 1);
    table.make_writable(1, 64);
    CHECK(table.blocks().size() == 1);
    table.make_writable(64, 200);
    CHECK(table.blocks().size() == 4);
    CHECK(std::set<BlockId>(table.blocks().begin(), table.blocks().end()).size() == 4);
    table.truncate(128);
    CHECK(table.blocks().size() == 2);
    CHECK(table.bytes() == 2 * block_bytes());
}

TEST_CASE("a shared tail is copied by who writes, full blocks stay shared") {
    FakeBackend backend(config(), {});
    auto pool = std::make_shared<CachePool>(backend, 0);
    BlockTable first(pool);
    first.make_writable(0, 100);
    BlockTable second = first;
    CHECK(pool->is_shared(first.blocks()[1]));
    second.make_writable(100, 101);
    CHECK(second.blocks()[0] == first.blocks()[0]);
    CHECK(second.blocks()[1] != first.blocks()[1]);
    CHECK_FALSE(pool->is_shared(first.blocks()[1]));
    const BlockId own = first.blocks()[1];
    first.make_writable(100, 101); // nobody else holds it now
    CHECK(first.blocks()[1] == own);

    BlockTable third = first;
    third.make_writable(64, 70); // from a border on nothing of the shared block is kept
    CHECK(third.blocks()[0] == first.blocks()[0]);
    CHECK(third.blocks()[1] != first.blocks()[1]);
}

TEST_CASE("blocks that are let go are given out again") {
    FakeBackend backend(config(), {});
    auto pool = std::make_shared<CachePool>(backend, 0);
    uint64_t reserved = 0;
    for (int round = 0; round < 50; round++) {
        BlockTable table(pool);
        table.make_writable(0, 300);
        if (round == 0) reserved = pool->bytes_reserved();
    }
    CHECK(pool->bytes_reserved() == reserved);
}

TEST_CASE("a budget is reached to the last block and no further") {
    BackendOptions options;
    options.memory_max = 7 * block_bytes() + 10;
    FakeBackend backend(config(), options);
    auto pool = std::make_shared<CachePool>(backend, options.memory_max);
    BlockTable table(pool);
    table.make_writable(0, 7 * kBlockSize);
    try {
        table.make_writable(7 * kBlockSize, 7 * kBlockSize + 1);
        FAIL("there was room");
    } catch (const Error& error) {
        CHECK(error.status() == STEER_ERR_DEVICE_MEMORY);
    }
    CHECK(table.blocks().size() == 7);
    table.truncate(64);
    BlockTable other(pool);
    other.make_writable(0, 6 * kBlockSize);
    CHECK(other.blocks().size() == 6);
}
