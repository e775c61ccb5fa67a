// Memory of the KV cache: blocks of kBlockSize positions, one id for all layers, one contiguous piece each.
#pragma once

#include "model/backend.h"
#include "model/config.h"

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace steer {

class CachePool {
  public:
    CachePool(const ModelConfig& config, at::ScalarType dtype, at::Device device);
    ~CachePool();
    CachePool(const CachePool&) = delete;
    CachePool& operator=(const CachePool&) = delete;

    void reserve(int32_t block_count); // blocks in use keep their contents
    void copy(BlockId from, BlockId to);
    void clear() { pool_.reset(); }

    // Moving, in two steps so that the first may fail. The CPU's own pool stays where it is.
    at::Tensor copy_to(at::Device where) const { return pool_.defined() ? pool_.to(where) : pool_; }
    void adopt(at::Tensor blocks, at::Device where);

    // A block as bytes, and back. Of what is read, positions from position_count on are zero.
    void read(BlockId block, int32_t position_count, void* bytes) const;
    void write(BlockId block, const void* bytes);

    at::Tensor layer(int32_t layer) const { return pool_.select(1, layer); } // [blocks, 2, Hkv, 64, D]
    const void* data() const { return pool_.const_data_ptr(); }                   // [blocks, layers, 2, Hkv, 64, D]
    uint64_t block_bytes() const { return block_bytes_; }
    std::string format() const; // of a block's bytes
    uint64_t bytes() const { return static_cast<uint64_t>(block_count_) * block_bytes_; }

  private:
    void grow_on_host(int32_t block_count);
    void grow_on_device(int32_t block_count);

    std::vector<int64_t> block_shape_; // [layers, 2, Hkv, 64, D]
    at::ScalarType dtype_;
    at::Device device_;             // that passes run on
    at::Device where_;              // the blocks are now
    uint64_t block_bytes_ = 0;
    int32_t block_count_ = 0;
    void* range_ = nullptr; // CPU: addresses set aside once, backed by the system as they are written
    uint64_t range_bytes_ = 0;
    at::Tensor pool_;       // [blocks, layers, 2, Hkv, 64, D]
};

} // namespace steer
