#include "torch/cache_pool.h"

#include "files/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

namespace steer {
namespace {

uint64_t main_memory() {
    return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

} // namespace

CachePool::CachePool(const ModelConfig& config, at::ScalarType dtype, at::Device device)
    : block_shape_{config.layer_count, 2, config.kv_head_count, kBlockSize, config.head_dim}, dtype_(dtype), device_(device), where_(device) {
    block_bytes_ = c10::elementSize(dtype);
    for (const int64_t extent : block_shape_) block_bytes_ *= static_cast<uint64_t>(extent);
}

CachePool::~CachePool() {
    if (range_ != nullptr) munmap(range_, range_bytes_);
}

void CachePool::reserve(int32_t block_count) {
    if (block_count <= block_count_) return;
    if (device_.is_cpu()) grow_on_host(block_count);
    else grow_on_device(block_count);
}

// All of main memory's worth of addresses is set aside at the first call, so that growing never moves a block.
void CachePool::grow_on_host(int32_t block_count) {
    if (range_ == nullptr) {
        const uint64_t bytes = std::max(main_memory(), block_bytes_);
        void* range = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (range == MAP_FAILED) fail(STEER_ERR_MEMORY, "no address range of {} bytes for the KV cache", bytes);
        range_ = range;
        range_bytes_ = bytes;
    }
    if (static_cast<uint64_t>(block_count) > range_bytes_ / block_bytes_)
        fail(STEER_ERR_MEMORY, "a KV cache of {} blocks of {} bytes is more than main memory holds", block_count, block_bytes_);
    block_count_ = block_count;
    std::vector<int64_t> shape{block_count};
    shape.insert(shape.end(), block_shape_.begin(), block_shape_.end());
    pool_ = at::from_blob(range_, shape, dtype_);
}

// A device's pool moves when it grows, by half at least so that it seldom does.
void CachePool::grow_on_device(int32_t block_count) {
    block_count = std::max(block_count, block_count_ + block_count_ / 2);
    std::vector<int64_t> shape{block_count};
    shape.insert(shape.end(), block_shape_.begin(), block_shape_.end());
    at::Tensor larger = at::empty(shape, at::TensorOptions().dtype(dtype_).device(where_));
    if (pool_.defined()) larger.narrow(0, 0, block_count_).copy_(pool_);
    pool_ = larger;
    block_count_ = block_count;
}

void CachePool::copy(BlockId from, BlockId to) { pool_.select(0, to).copy_(pool_.select(0, from)); }

void CachePool::adopt(at::Tensor blocks, at::Device where) {
    pool_ = std::move(blocks);
    where_ = where;
}

void CachePool::read(BlockId block, int32_t position_count, void* bytes) const {
    at::Tensor out = at::from_blob(bytes, block_shape_, dtype_); // [layers, 2, Hkv, 64, D]
    out.copy_(pool_.select(0, block));
    out.narrow(3, position_count, kBlockSize - position_count).zero_();
}

void CachePool::write(BlockId block, const void* bytes) {
    pool_.select(0, block).copy_(at::from_blob(const_cast<void*>(bytes), block_shape_, dtype_));
}

std::string CachePool::format() const {
    return fmt::format("{} [{}]", c10::toString(dtype_), fmt::join(block_shape_, ", "));
}

} // namespace steer
