#include "torch/decode_path.h"

#include "torch/draw.h"
#include "torch/upload.h"

#include <algorithm>
#include <cstring>

namespace steer {
namespace {

const void* pointer(const at::Tensor& tensor) { return tensor.const_data_ptr(); }
const void* pointer(const std::optional<at::Tensor>& tensor) { return tensor ? tensor->const_data_ptr() : nullptr; }

// The matrix itself, or its tiles where it is packed.
cuda::DecodeMatrix matrix_of(const at::Tensor& matrix, const PackedSlot& packed) {
    if (!packed.tiles) return {pointer(matrix)};
    const TiledMatrix& tiles = *packed.tiles;
    return {pointer(tiles.codes), codes_of(tiles.form), pointer(tiles.scales), static_cast<int32_t>(tiles.group)};
}

cuda::DecodeLayer layer_of(const BlockWeights& block, const PackedWeights& packed, size_t layer) {
    cuda::DecodeLayer made{pointer(block.input_norm), pointer(block.post_norm), pointer(block.qkv_bias), pointer(block.q_norm),
                           pointer(block.k_norm), {}, {}, {}, {}};
    cuda::DecodeMatrix* const places[kSlots.size()] = {&made.qkv, &made.o, &made.gate_up, &made.down};
    for (size_t slot = 0; slot < kSlots.size(); slot++) *places[slot] = matrix_of(block.*kSlots[slot], packed.slot(layer, slot));
    return made;
}

cuda::Stream type_of(at::ScalarType dtype) {
    return dtype == at::kFloat ? cuda::Stream::f32 : dtype == at::kHalf ? cuda::Stream::f16 : cuda::Stream::bf16;
}

size_t graph_index(size_t rows) { return rows <= 1 ? 0 : rows == 2 ? 1 : 2; }
constexpr int32_t kGraphRows[] = {1, 2, 4};

// Drawn from all ids by their own logits: the device does it itself.
bool is_plain(const Draw& draw) {
    const SamplingSettings& s = *draw.settings;
    const bool penalises = s.penalty_window != 0 && (s.repeat_penalty != 1.0f || s.presence_penalty != 0.0f || s.frequency_penalty != 0.0f);
    if (!s.biases.empty() || penalises || !draw.allowed.empty() || draw.twin_logit_row >= 0 || s.top_log_probs > 0) return false;
    return s.temperature == 0.0f || (s.top_k <= 0 && !(s.top_p < 1.0f) && !(s.min_p > 0.0f) && !(s.typical_p < 1.0f));
}

bool only_adds(const BatchRow& row) {
    if (row.gating != nullptr && !row.gating->groups.empty()) return false;
    if (row.plan == nullptr) return true;
    const auto holds = [&](const Push& push) {
        return push.kind == PushKind::interval && row.strengths[static_cast<size_t>(push.injection)] != 0.0f;
    };
    return row.plan->gates.empty() && std::none_of(row.plan->pushes.begin(), row.plan->pushes.end(), holds);
}

} // namespace

DecodePath::DecodePath(const ModelConfig& config, const RopeTable& rope, const ModelWeights& weights,
                       const std::vector<BlockWeights>& blocks, at::Device device)
    : device_(device),
      frequencies_(upload<float>(std::span<const float>(rope.frequencies), device)),
      weights_(weights),
      tables_(config.layer_count, config.hidden_size, device),
      memory_(config, weights.embedding.scalar_type(), device) {
    weights_.blocks = blocks;
    for (size_t layer = 0; layer < blocks.size(); layer++) layers_.push_back(layer_of(blocks[layer], weights_.packed, layer));
    const cuda::Stream type = type_of(weights.embedding.scalar_type());
    model_ = {type, config.layer_count, config.hidden_size, config.ffn_size, config.head_count, config.kv_head_count, config.head_dim,
              config.vocab_size, config.norm_eps, rope.scale, frequencies_.const_data_ptr<float>(), pointer(weights_.embedding),
              pointer(weights_.final_norm), {}, layers_.data()};
    model_.head = weights_.packed.head().any() ? matrix_of({}, weights_.packed.head()) : matrix_of(weights_.head, {});
    check_cuda(cuda::decode_device(device.index(), about_), "asking the device");
}

bool DecodePath::takes(const Batch& batch) const {
    const size_t rows = batch.rows.size();
    if (rows == 0 || rows > static_cast<size_t>(cuda::kDecodeRowsMax) || !batch.captures.empty() || batch.logit_rows.size() != rows)
        return false;
    for (size_t r = 0; r < rows; r++) {
        const BatchRow& row = batch.rows[r];
        const bool alone = row.token_count == 1 && row.token_begin == static_cast<int32_t>(r);
        if (!alone || batch.logit_rows[r].token != row.token_begin || row.observer != nullptr || !only_adds(row)) return false;
    }
    return cuda::can_decode(model_, about_, kGraphRows[graph_index(rows)]);
}

void DecodePath::run(const Batch& batch, const CachePool& cache, Results& results) {
    const cudaStream_t queue = current_queue(device_);
    const size_t bytes = fill_control(batch, cache);
    check_cuda(cudaMemcpyAsync(memory_.places().control, memory_.control(), bytes, cudaMemcpyHostToDevice, queue), "sending a step");
    graph(batch.rows.size()).launch(queue);

    const bool plain = std::all_of(batch.draws.begin(), batch.draws.end(), is_plain);
    const bool scores = std::any_of(batch.logit_rows.begin(), batch.logit_rows.end(),
                                    [](const LogitRow& row) { return row.target >= 0 || row.top_count > 0; });
    const float* logits = nullptr;
    if (!plain || scores || batch.logits != nullptr) {
        float* const host = memory_.host_logits();
        const size_t size = sizeof(float) * batch.rows.size() * static_cast<size_t>(model_.vocab_size);
        check_cuda(cudaMemcpyAsync(host, memory_.places().logits, size, cudaMemcpyDeviceToHost, queue), "fetching logits");
        logits = host;
    }
    check_cuda(cudaStreamSynchronize(queue), "computing a step");
    tell(batch, logits, results);
}

cuda::DecodeControl DecodePath::control_of(const Batch& batch) {
    cuda::DecodeControl control{};
    block_ids_.clear();
    for (size_t r = 0; r < batch.rows.size(); r++) {
        const BatchRow& from = batch.rows[r];
        cuda::DecodeRow& row = control.rows[r];
        row.id = batch.ids[r], row.position = batch.positions[r], row.kv_len = from.kv_len;
        row.block_begin = static_cast<int32_t>(block_ids_.size());
        block_ids_.insert(block_ids_.end(), from.blocks.begin(), from.blocks.end());
        row.vocab_size = model_.vocab_size;
        row.span = batch.chooses_reply[r] ? kSpanReply : kSpanPrompt;
    }
    for (const Draw& draw : batch.draws) {
        cuda::DecodeRow& row = control.rows[draw.logit_row];
        row.vocab_size = std::clamp(draw.vocab_size, 0, model_.vocab_size);
        row.draw_position = draw.position, row.seed = draw.seed;
        row.temperature = draw.settings->temperature;
    }
    return control;
}

// Control, and behind it the tables, as they will lie on the device: one copy sends all.
size_t DecodePath::fill_control(const Batch& batch, const CachePool& cache) {
    cuda::DecodeControl control = control_of(batch);
    tables_.update(batch);
    size_t end = sizeof(control);
    const auto place = [&](const auto& values) {
        const size_t at = (end + 15) / 16 * 16;
        end = at + sizeof(values[0]) * values.size();
        return at;
    };
    const size_t sites_at = place(tables_.sites()), pushes_at = place(tables_.pushes()), probes_at = place(tables_.probes()),
                 blocks_at = place(block_ids_);
    if (memory_.reserve_control(std::max<size_t>(64u << 10, end)))
        for (StepGraph& graph : graphs_) graph.reset();
    memory_.reserve_readings(std::max<size_t>(64, tables_.probes().size()));

    const std::byte* const there = memory_.control_on_device();
    control.cache = cache.data();
    control.pushes = reinterpret_cast<const cuda::DecodePush*>(there + pushes_at);
    control.probes = reinterpret_cast<const cuda::SiteProbe*>(there + probes_at);
    control.blocks = reinterpret_cast<const int32_t*>(there + blocks_at);
    control.readings = memory_.readings_on_device(), control.told_readings = memory_.readings();
    control.reading_count = static_cast<int32_t>(tables_.probes().size());
    const auto write = [&](size_t at, const auto& values) {
        if (!values.empty()) std::memcpy(memory_.control() + at, values.data(), sizeof(values[0]) * values.size());
    };
    std::memcpy(memory_.control(), &control, sizeof(control));
    write(sites_at, tables_.sites()), write(pushes_at, tables_.pushes());
    write(probes_at, tables_.probes()), write(blocks_at, block_ids_);
    return end;
}

StepGraph& DecodePath::graph(size_t rows) {
    StepGraph& graph = graphs_[graph_index(rows)];
    if (!graph.is_captured()) {
        const int32_t captured = kGraphRows[graph_index(rows)];
        check_cuda(cuda::prepare_decode(model_, captured), "preparing a step");
        graph.capture([&](cudaStream_t stream) { return cuda::queue_decode(model_, about_, memory_.places(), captured, stream); });
    }
    return graph;
}

// logits: NULL where nobody wants more of them than the device has told.
void DecodePath::tell(const Batch& batch, const float* logits, Results& results) {
    const auto vocab = static_cast<size_t>(model_.vocab_size);
    if (logits == nullptr) results.scores.resize(batch.logit_rows.size());
    else score(logits, vocab, batch, results);
    for (const Draw& each : batch.draws) {
        Drawn& drawn = results.drawn.emplace_back();
        if (!is_plain(each)) {
            draw(logits, vocab, each, drawn);
            continue;
        }
        const cuda::DecodeDrawn& told = memory_.drawn(static_cast<size_t>(each.logit_row));
        drawn.token = told.token, drawn.finite = told.finite != 0;
        drawn.log_prob = told.log_prob, drawn.entropy = told.entropy;
    }
    results.readings.assign(memory_.readings(), memory_.readings() + tables_.probes().size());
}

} // namespace steer
