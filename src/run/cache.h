// Cache blocks: who holds which. Ids and counts are kept here, the memory behind them is the backend's.
#pragma once

#include "model/backend.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace steer {

// The blocks of one loaded model. Counts change from any thread; growing and copying touch the backend and are done by the
// thread that drives it (step_queue.h).
class CachePool {
  public:
    CachePool(Backend& backend, uint64_t memory_max);

    BlockId take();               // count 1; STEER_ERR_DEVICE_MEMORY where the budget ends
    void copy(BlockId from, BlockId to);
    void share(std::span<const BlockId> blocks);
    void drop(std::span<const BlockId> blocks);
    bool is_shared(BlockId block) const;

    uint64_t block_bytes() const { return block_bytes_; }
    uint64_t bytes_reserved() const;
    void close(); // the backend is going away; blocks are only counted from now on

  private:
    void grow();

    mutable std::mutex mutex_;
    Backend* backend_;
    uint64_t block_bytes_, memory_max_;
    std::vector<int32_t> counts_;  // by block
    std::vector<BlockId> free_;
};

// The blocks of one conversation, in the order of their positions.
class BlockTable {
  public:
    BlockTable() = default;
    explicit BlockTable(std::shared_ptr<CachePool> pool) : pool_(std::move(pool)) {}
    BlockTable(const BlockTable& other); // shares the blocks
    BlockTable(BlockTable&& other) noexcept;
    BlockTable& operator=(BlockTable other) noexcept;
    ~BlockTable() { truncate(0); }

    // Positions [begin, end) can be written: their blocks are there and nobody else's. What stands before begin stays.
    // By the thread that drives the backend.
    void make_writable(int32_t begin, int32_t end);
    void truncate(int32_t position_count);

    std::span<const BlockId> blocks() const { return blocks_; }
    const std::shared_ptr<CachePool>& pool() const { return pool_; }
    uint64_t bytes() const { return pool_ ? blocks_.size() * pool_->block_bytes() : 0; }

  private:
    std::shared_ptr<CachePool> pool_;
    std::vector<BlockId> blocks_;
};

} // namespace steer
