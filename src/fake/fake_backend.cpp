#include "fake/fake_backend.h"

#include "files/error.h"
#include "kernels/cpu/sample.h"
#include "kernels/cpu/site.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace steer {
namespace {

enum HashPlace : uint64_t { kTokenPlace = 1, kPositionPlace, kWeightPlace, kKeyPlace, kHeadPlace };

uint64_t hash(uint64_t place, uint64_t a, uint64_t b) {
    uint64_t h = place * 0x9e3779b97f4a7c15u ^ a * 0xc2b2ae3d27d4eb4fu ^ (b + 1) * 0x165667b19e3779f9u;
    h = (h ^ (h >> 31)) * 0x7fb5d329728ea185u;
    h = (h ^ (h >> 27)) * 0x81dadef4bc2dd44du;
    return h ^ (h >> 33);
}

// +1 or -1 for each component of a vector that a place and a number name.
struct Signs {
    Signs(HashPlace place, uint64_t number) : place_(place), number_(number) {}
    float operator[](size_t i) {
        if (i % 64 == 0) bits_ = hash(place_, number_, i / 64);
        return bits_ >> (i % 64) & 1 ? 1.0f : -1.0f; // asked for in order, from 0
    }

  private:
    HashPlace place_;
    uint64_t number_, bits_ = 0;
};

void normalise(const std::vector<float>& x, std::vector<float>& unit) {
    float squares = 0.0f;
    for (const float value : x) squares += value * value;
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(x.size()) + 1e-6f);
    for (size_t i = 0; i < x.size(); i++) unit[i] = x[i] * scale;
}

} // namespace

struct FakeBackend::Row {
    const BatchRow& batch_row;
    std::vector<float> readings, pushed;
    SiteKernel sites;
    uint64_t gates_before, gates; // bits: after the token before, after this one
};

FakeBackend::FakeBackend(const ModelConfig& config, const BackendOptions& options)
    : hidden_(static_cast<size_t>(config.hidden_size)),
      layers_(static_cast<size_t>(config.layer_count)),
      vocab_(static_cast<size_t>(config.vocab_size)),
      memory_max_(options.memory_max),
      x_(hidden_),
      unit_(hidden_),
      mixed_(hidden_) {
    if (!options.device.empty() && options.device != "cpu")
        fail(STEER_ERR_UNSUPPORTED, "the fake backend runs on \"cpu\" only, not on \"{}\"", options.device);
    if (options.weights != STEER_WEIGHTS_AS_STORED)
        fail(STEER_ERR_UNSUPPORTED, "the fake backend has no weights of a checkpoint to pack: \"weights\" must be STEER_WEIGHTS_AS_STORED");
    if (hidden_ * hidden_ * layers_ > size_t{1} << 27)
        fail(STEER_ERR_UNSUPPORTED, "the fake backend is for small models: {} layers of hidden size {} are too many",
             layers_, hidden_);
}

std::string FakeBackend::decoder_archive() const { return "the fake backend's decoder is no TorchScript"; }

int32_t FakeBackend::dtype() const { return STEER_DTYPE_F32; }

void FakeBackend::load(Place place, const Progress& progress) {
    std::vector<float> weights(layers_ * 2 * hidden_ * hidden_);
    const float scale = 1.0f / std::sqrt(static_cast<float>(hidden_));
    for (size_t row = 0; row < layers_ * 2 * hidden_; row++) {
        if (row % hidden_ == 0 && progress &&
            !progress(static_cast<float>(row) / static_cast<float>(layers_ * 2 * hidden_)))
            fail(STEER_ERR_CANCELLED, "loading was stopped by the progress callback");
        Signs signs(kWeightPlace, row);
        for (size_t i = 0; i < hidden_; i++) weights[row * hidden_ + i] = scale * signs[i];
    }
    if (progress && !progress(1.0f)) fail(STEER_ERR_CANCELLED, "loading was stopped by the progress callback");
    weights_ = std::move(weights);
    place_ = place;
}

// Its device is main memory: only where it says it is changes.
void FakeBackend::move(Place place, const Progress& progress) {
    if (progress && !progress(1.0f)) fail(STEER_ERR_CANCELLED, "moving was stopped by the progress callback");
    place_ = place;
}

BackendMemory FakeBackend::memory() const {
    const uint64_t per_token = layers_ * 2 * hidden_ * sizeof(float);
    const uint64_t weight_bytes = layers_ * 2 * hidden_ * hidden_ * sizeof(float);
    const uint64_t used = (weights_.empty() ? 0 : weight_bytes) + blocks_.size() * kBlockSize * per_token;
    return {weight_bytes, per_token, used, memory_max_ > used ? memory_max_ - used : 0};
}

void FakeBackend::reserve_blocks(int32_t count) {
    const uint64_t block_bytes = layers_ * 2 * hidden_ * sizeof(float) * kBlockSize;
    const auto wanted = static_cast<size_t>(count);
    const uint64_t weight_bytes = weights_.size() * sizeof(float);
    if (memory_max_ > 0 && weight_bytes + wanted * block_bytes > memory_max_)
        fail(STEER_ERR_DEVICE_MEMORY, "{} cache blocks of {} bytes beside {} bytes of weights are more than {}", count,
             block_bytes, weight_bytes, memory_max_);
    while (blocks_.size() < wanted) // NaN: whoever reads what was never written sees it
        blocks_.emplace_back(layers_ * 2 * kBlockSize * hidden_, std::numeric_limits<float>::quiet_NaN());
}

void FakeBackend::copy_block(BlockId from, BlockId to) {
    blocks_.at(static_cast<size_t>(to)) = blocks_.at(static_cast<size_t>(from));
}

void FakeBackend::read_block(BlockId block, int32_t position_count, void* bytes) {
    std::vector<float> values = blocks_.at(static_cast<size_t>(block)); // [layers * 2][kBlockSize][hidden]
    for (size_t part = 0; part < layers_ * 2; part++) {
        const auto begin = values.begin() + static_cast<ptrdiff_t>(part * kBlockSize * hidden_);
        std::fill(begin + static_cast<ptrdiff_t>(static_cast<size_t>(position_count) * hidden_),
                  begin + static_cast<ptrdiff_t>(kBlockSize * hidden_), 0.0f);
    }
    std::memcpy(bytes, values.data(), values.size() * sizeof(float));
}

void FakeBackend::write_block(BlockId block, const void* bytes) {
    std::vector<float>& values = blocks_.at(static_cast<size_t>(block));
    std::memcpy(values.data(), bytes, values.size() * sizeof(float));
}

std::string FakeBackend::cache_format() const { return fmt::format("fake float32 [{}, 2, {}, {}]", layers_, kBlockSize, hidden_); }

Ticket FakeBackend::submit(const Batch& batch) {
    if (place_ != Place::device) fail(STEER_ERR_INTERNAL, "a pass was submitted to a parked model");
    Results results;
    results.cancelled = !compute(batch, results);
    done_.push_back(std::move(results));
    return first_ticket_ + done_.size() - 1;
}

void FakeBackend::wait(Ticket ticket, Results& results) {
    if (done_.empty() || ticket != first_ticket_) fail(STEER_ERR_INTERNAL, "tickets are waited for in order");
    results = std::move(done_.front());
    done_.erase(done_.begin());
    first_ticket_++;
}

bool FakeBackend::compute(const Batch& batch, Results& results) {
    stream_.assign(batch.ids.size() * hidden_, 0.0f);
    for (const BatchRow& batch_row : batch.rows) {
        const size_t probes = batch_row.plan == nullptr ? 0 : batch_row.plan->probes.size();
        Row row{batch_row, std::vector<float>(probes), std::vector<float>(hidden_),
                SiteKernel(static_cast<int32_t>(hidden_), StreamType::f32), 0, batch_row.gate_bits};
        for (int32_t i = 0; i < batch_row.token_count; i++) {
            if (!compute_token(batch, row, batch_row.token_begin + i)) return false;
            results.gate_bits.push_back(row.gates);
        }
        results.readings.insert(results.readings.end(), row.readings.begin(), row.readings.end());
    }
    std::vector<float> logits(batch.logit_rows.size() * vocab_);
    for (size_t i = 0; i < batch.logit_rows.size(); i++) {
        compute_logits(batch.logit_rows[i].token, &logits[i * vocab_]);
        score_logits(&logits[i * vocab_], static_cast<int32_t>(vocab_), batch.logit_rows[i], results.scores.emplace_back());
    }
    const auto row = [&](int32_t index) { return index < 0 ? nullptr : &logits[static_cast<size_t>(index) * vocab_]; };
    for (const Draw& draw : batch.draws)
        draw_token(row(draw.logit_row), row(draw.twin_logit_row), draw, results.drawn.emplace_back());
    if (batch.logits != nullptr) std::copy(logits.begin(), logits.end(), batch.logits);
    return true;
}

bool FakeBackend::compute_token(const Batch& batch, Row& row, int32_t token) {
    const auto at = static_cast<size_t>(token);
    const int32_t position = batch.positions[at];
    embed(batch.ids[at], position);
    std::fill(row.pushed.begin(), row.pushed.end(), 0.0f);
    row.gates_before = row.gates;
    visit(batch, row, -1, token);
    for (size_t layer = 0; layer < layers_; layer++) {
        if (batch.is_cancelled()) return false;
        decode_layer(static_cast<int32_t>(layer), position, row.batch_row);
        visit(batch, row, static_cast<int32_t>(layer), token);
    }
    std::copy(x_.begin(), x_.end(), stream_.begin() + static_cast<ptrdiff_t>(at * hidden_));
    return true;
}

void FakeBackend::embed(int32_t id, int32_t position) {
    Signs token(kTokenPlace, static_cast<uint64_t>(id)), place(kPositionPlace, static_cast<uint64_t>(position));
    for (size_t i = 0; i < hidden_; i++) x_[i] = token[i] + 0.25f * place[i];
}

float* FakeBackend::cached(const BatchRow& row, int32_t layer, int32_t position, int32_t kind) {
    const auto block = static_cast<size_t>(row.blocks[static_cast<size_t>(position / kBlockSize)]);
    const auto place = (static_cast<size_t>(layer) * 2 + static_cast<size_t>(kind)) * kBlockSize +
                       static_cast<size_t>(position % kBlockSize);
    return blocks_.at(block).data() + place * hidden_;
}

// Attention over what the cache holds, with keys that are the state under a layer's own signs, then a layer of squashed sums.
void FakeBackend::decode_layer(int32_t layer, int32_t position, const BatchRow& row) {
    const float* weights = weights_.data() + static_cast<size_t>(layer) * 2 * hidden_ * hidden_;
    const auto product = [&](const float* matrix, size_t i) {
        float sum = 0.0f;
        for (size_t j = 0; j < hidden_; j++) sum += matrix[i * hidden_ + j] * unit_[j];
        return sum;
    };
    normalise(x_, unit_);
    float* key = cached(row, layer, position, 0);
    float* value = cached(row, layer, position, 1);
    Signs signs(kKeyPlace, static_cast<uint64_t>(layer));
    for (size_t i = 0; i < hidden_; i++) {
        key[i] = signs[i] * unit_[i];
        value[i] = product(weights, i);
    }
    scores_.clear();
    for (int32_t j = 0; j <= position; j++) {
        const float* other = cached(row, layer, j, 0);
        float score = 0.0f;
        for (size_t i = 0; i < hidden_; i++) score += unit_[i] * other[i];
        scores_.push_back(std::exp(4.0f * score / static_cast<float>(hidden_)));
    }
    float total = 0.0f;
    std::fill(mixed_.begin(), mixed_.end(), 0.0f);
    for (int32_t j = 0; j <= position; j++) {
        const float score = scores_[static_cast<size_t>(j)];
        const float* other = cached(row, layer, j, 1);
        for (size_t i = 0; i < hidden_; i++) mixed_[i] += score * other[i];
        total += score;
    }
    for (size_t i = 0; i < hidden_; i++) x_[i] += 0.5f * mixed_[i] / total;
    normalise(x_, unit_);
    for (size_t i = 0; i < hidden_; i++) {
        const float sum = product(weights + hidden_ * hidden_, i);
        x_[i] += 0.5f * sum / (1.0f + std::fabs(sum));
    }
}

void FakeBackend::visit(const Batch& batch, Row& row, int32_t site, int32_t token) {
    capture(batch, site, Tap::before, token);
    const BatchRow& of = row.batch_row;
    const SiteRow site_row{of.plan, of.strengths, 0, 1, row.readings.data(),
                           of.plan != nullptr && of.plan->reads_own ? row.pushed.data() : nullptr,
                           of.gating, row.gates_before, &row.gates};
    row.sites.visit(site, x_.data(), batch.chooses_reply.subspan(static_cast<size_t>(token), 1), {&site_row, 1});
    capture(batch, site, Tap::after, token);
    if (of.observer != nullptr && of.observer->sites[static_cast<size_t>(site + 1)])
        of.observer->look(site, batch.positions[static_cast<size_t>(token)], x_.data(), 1); // it edits in place
}

void FakeBackend::capture(const Batch& batch, int32_t site, Tap tap, int32_t token) const {
    for (const Capture& wanted : batch.captures) {
        if (wanted.tap != tap || site < wanted.site_begin || site >= wanted.site_end) continue;
        const auto found = std::find(wanted.tokens.begin(), wanted.tokens.end(), token);
        if (found == wanted.tokens.end()) continue;
        const size_t row = wanted.each ? static_cast<size_t>(found - wanted.tokens.begin()) : 0;
        const auto sites = static_cast<size_t>(wanted.site_end - wanted.site_begin);
        float* sums = wanted.sums + (row * sites + static_cast<size_t>(site - wanted.site_begin)) * hidden_;
        for (size_t i = 0; i < hidden_; i++) sums[i] += x_[i];
    }
}

void FakeBackend::compute_logits(int32_t token, float* out) const {
    const auto begin = stream_.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(token) * hidden_);
    const std::vector<float> state(begin, begin + static_cast<ptrdiff_t>(hidden_));
    std::vector<float> unit(hidden_);
    normalise(state, unit);
    const float scale = 4.0f / std::sqrt(static_cast<float>(hidden_));
    for (size_t id = 0; id < vocab_; id++) {
        Signs signs(kHeadPlace, id);
        float sum = 0.0f;
        for (size_t i = 0; i < hidden_; i++) sum += signs[i] * unit[i];
        out[id] = scale * sum;
    }
}

} // namespace steer
