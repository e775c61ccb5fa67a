#include "run/cache.h"

#include "files/error.h"

#include <algorithm>
#include <utility>

namespace steer {
namespace {

size_t blocks_for(int32_t positions) { return (static_cast<size_t>(positions) + kBlockSize - 1) / kBlockSize; }

} // namespace

CachePool::CachePool(Backend& backend, uint64_t memory_max)
    : backend_(&backend), block_bytes_(backend.memory().cache_bytes_per_token * kBlockSize), memory_max_(memory_max) {}

BlockId CachePool::take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) grow();
    const BlockId block = free_.back();
    counts_[static_cast<size_t>(block)] = 1;
    free_.pop_back();
    return block;
}

// By half of what is there, so that growing is rare; by one block where the budget leaves no more.
void CachePool::grow() {
    if (backend_ == nullptr) fail(STEER_ERR_STATE, "the model's weights are not on the device");
    const size_t now = counts_.size();
    size_t extra = std::max<size_t>(4, now / 2);
    if (memory_max_ > 0) {
        const uint64_t used = backend_->memory().used;
        const uint64_t left = memory_max_ > used ? memory_max_ - used : 0;
        extra = std::min<size_t>(extra, block_bytes_ > 0 ? left / block_bytes_ : extra);
    }
    if (extra == 0)
        fail(STEER_ERR_DEVICE_MEMORY, "device_memory_max of {} bytes is used up: a cache block of {} positions takes {}",
             memory_max_, kBlockSize, block_bytes_);
    counts_.reserve(now + extra);
    free_.reserve(now + extra);
    try {
        backend_->reserve_blocks(static_cast<int32_t>(now + extra));
    } catch (const Error& error) {
        if (error.status() != STEER_ERR_DEVICE_MEMORY || extra == 1) throw;
        extra = 1;
        backend_->reserve_blocks(static_cast<int32_t>(now + extra));
    }
    counts_.resize(now + extra, 0);
    for (size_t block = now + extra; block > now; block--) free_.push_back(static_cast<BlockId>(block - 1));
}

void CachePool::copy(BlockId from, BlockId to) {
    if (backend_ == nullptr) fail(STEER_ERR_STATE, "the model's weights are not on the device");
    backend_->copy_block(from, to);
}

void CachePool::share(std::span<const BlockId> blocks) {
    const std::lock_guard lock(mutex_);
    for (const BlockId block : blocks) counts_[static_cast<size_t>(block)]++;
}

void CachePool::drop(std::span<const BlockId> blocks) {
    const std::lock_guard lock(mutex_);
    for (const BlockId block : blocks)
        if (--counts_[static_cast<size_t>(block)] == 0) free_.push_back(block); // within free_'s capacity: cannot throw
}

bool CachePool::is_shared(BlockId block) const {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<size_t>(block)] > 1;
}

uint64_t CachePool::bytes_reserved() const {
    const std::lock_guard lock(mutex_);
    return counts_.size() * block_bytes_;
}

void CachePool::close() {
    const std::lock_guard lock(mutex_);
    backend_ = nullptr;
}

BlockTable::BlockTable(const BlockTable& other) : pool_(other.pool_), blocks_(other.blocks_) {
    if (pool_) pool_->share(blocks_);
}

BlockTable::BlockTable(BlockTable&& other) noexcept
    : pool_(std::move(other.pool_)), blocks_(std::exchange(other.blocks_, {})) {}

BlockTable& BlockTable::operator=(BlockTable other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(blocks_, other.blocks_);
    return *this;
}

void BlockTable::make_writable(int32_t begin, int32_t end) {
    truncate(begin);
    const size_t needed = blocks_for(end);
    blocks_.reserve(needed);
    if (begin % kBlockSize != 0 && pool_->is_shared(blocks_.back())) { // somebody else's tail: write in a copy of it
        const BlockId own = pool_->take();
        try {
            pool_->copy(blocks_.back(), own);
        } catch (...) {
            pool_->drop({&own, 1});
            throw;
        }
        pool_->drop({&blocks_.back(), 1});
        blocks_.back() = own;
    }
    while (blocks_.size() < needed) blocks_.push_back(pool_->take());
}

void BlockTable::truncate(int32_t position_count) {
    const size_t kept = blocks_for(position_count);
    if (kept >= blocks_.size()) return;
    pool_->drop(std::span(blocks_).subspan(kept));
    blocks_.resize(kept);
}

} // namespace steer
