// A backend for tests and for hosts' own tests: a real residual stream with attention over cache blocks, sites, captures and
// sampling, in a few lines of plain C++. What it says is nonsense, but everything that steers, caches, batches or cancels
// shows in it, bit for bit the same however the work is cut. Weights are made from a hash of their place; the package's
// own are not read.
#pragma once

#include "model/backend.h"
#include "model/config.h"

#include <vector>

namespace steer {

class FakeBackend : public Backend {
  public:
    FakeBackend(const ModelConfig& config, const BackendOptions& options);

    void load(Place place, const Progress& progress) override;
    void move(Place place, const Progress& progress) override;
    BackendMemory memory() const override;
    int32_t device() const override { return -1; }
    int32_t dtype() const override;
    std::string decoder_archive() const override;
    void reserve_blocks(int32_t count) override;
    void copy_block(BlockId from, BlockId to) override;
    void read_block(BlockId block, int32_t position_count, void* bytes) override;
    void write_block(BlockId block, const void* bytes) override;
    std::string cache_format() const override;
    Ticket submit(const Batch& batch) override;
    void wait(Ticket ticket, Results& results) override;

  private:
    struct Row;

    bool compute(const Batch& batch, Results& results);
    bool compute_token(const Batch& batch, Row& row, int32_t token);
    void embed(int32_t id, int32_t position);
    void decode_layer(int32_t layer, int32_t position, const BatchRow& row);
    void visit(const Batch& batch, Row& row, int32_t site, int32_t token);
    void capture(const Batch& batch, int32_t site, Tap tap, int32_t token) const;
    void compute_logits(int32_t token, float* out) const;
    float* cached(const BatchRow& row, int32_t layer, int32_t position, int32_t kind);

    size_t hidden_, layers_, vocab_;
    uint64_t memory_max_;
    Place place_ = Place::device;
    std::vector<float> weights_;             // [layers][2][hidden][hidden]
    std::vector<std::vector<float>> blocks_; // each [layers][key, value][kBlockSize][hidden]
    std::vector<float> x_, unit_, scores_, mixed_;
    std::vector<float> stream_;              // [T][hidden]: after the last site
    std::vector<Results> done_;              // by ticket - first_ticket_
    Ticket first_ticket_ = 1;
};

} // namespace steer
