// Speed of the libtorch backend on a CUDA device, with random weights of any size made on the device. Each line of standard
// input is a JSON request, each line of standard output its answer, {"error": words} where it failed.
//
//   {"ceilings": true}   -> {"read_gb_s", "matmul_tflop_s", "empty_kernel_us", "empty_kernel_overlapping_us"}
//   {"model": {"layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "vocab", "tied", "qwen3"},
//    "weights": "as_stored", "int8", "int4" or "nf4"}
//     bf16 weights, or packed as a model's are on loading -> {"bytes_per_token": of weights that a token reads}
//   {"context": positions, "rows": conversations, "steer": "off" or "all+4", "steps": tokens, "reference": bool}
//     greedy -> {"wall_ms": [of each step], "device_ms": [likewise, between the step's first and last work]}
// steer all+4: an add at every layer, its strength another one at every token, and four gauges.
#include "../answer_lines.h"
#include "ceilings.h"

#include "files/error.h"
#include "kernels/cuda/decode.h"
#include "model/weight_bytes.h"
#include "torch/layer_loop.h"
#include "torch/quantise.h"
#include "torch/queue.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <dlfcn.h>
#include <iostream>

using namespace steer;
using nlohmann::json;

namespace {

constexpr int32_t kGauges = 4;

class Timer { // of what is queued between its two calls
  public:
    Timer() {
        cudaEventCreate(&begin_);
        cudaEventCreate(&end_);
    }
    ~Timer() {
        cudaEventDestroy(begin_);
        cudaEventDestroy(end_);
    }
    void begin(cudaStream_t queue) { check_cuda(cudaEventRecord(begin_, queue), "timing"); }
    double ms(cudaStream_t queue) {
        float ms = 0.0f;
        check_cuda(cudaEventRecord(end_, queue), "timing");
        check_cuda(cudaEventSynchronize(end_), "timing");
        check_cuda(cudaEventElapsedTime(&ms, begin_, end_), "timing");
        return static_cast<double>(ms);
    }

  private:
    cudaEvent_t begin_, end_;
};

struct Steering {
    RowPlan plan;
    std::vector<std::vector<float>> directions;

    Steering(const ModelConfig& config, bool on) {
        const int32_t layers = on ? config.layer_count : 0;
        for (int32_t layer = 0; layer < layers; layer++) {
            std::vector<float>& v = directions.emplace_back(static_cast<size_t>(config.hidden_size));
            double square = 0.0;
            for (size_t i = 0; i < v.size(); i++) {
                v[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i + 1) * (layer + 1)));
                square += static_cast<double>(v[i]) * static_cast<double>(v[i]);
            }
            for (float& x : v) x /= static_cast<float>(std::sqrt(square));
            plan.pushes.push_back({layer, PushKind::add, kSpanAll, 0, 1.0f, v.data(), static_cast<uint64_t>(layer + 1), 1.0f});
        }
        for (int32_t i = 0; on && i < kGauges; i++) {
            const int32_t site = layers * (i + 1) / kGauges - 1;
            plan.probes.push_back({site, Tap::after, Metric::cosine, false, 1.0f, directions[static_cast<size_t>(site)].data(),
                                   static_cast<uint64_t>(site + 1)});
        }
        plan.index(config.layer_count, config.hidden_size);
    }
};

ModelConfig config_of(const json& from) {
    ModelConfig config;
    config.layer_count = from.at("layers"), config.hidden_size = from.at("hidden"), config.ffn_size = from.at("ffn");
    config.head_count = from.at("heads"), config.kv_head_count = from.at("kv_heads"), config.head_dim = from.at("head_dim");
    config.vocab_size = from.at("vocab"), config.tied_head = from.at("tied");
    config.qk_norm = from.value("qwen3", false), config.qkv_bias = !config.qk_norm;
    config.rope.theta = 1000000.0;
    return config;
}

int32_t packing_of(const std::string& name) {
    const std::array<const char*, 4> names{"as_stored", "int8", "int4", "nf4"}; // as STEER_WEIGHTS_*
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) fail(STEER_ERR_ARG, "weights: {} is none of as_stored, int8, int4 and nf4", name);
    return static_cast<int32_t>(found - names.begin());
}

class Bench {
  public:
    json answer(const json& request) {
        const c10::InferenceMode inference;
        const c10::DeviceGuard guard(device_);
        if (request.contains("ceilings")) return ceilings();
        if (request.contains("model")) return make(config_of(request.at("model")), packing_of(request.value("weights", "as_stored")));
        return run(request);
    }

  private:
    at::Tensor random(std::initializer_list<int64_t> shape, double scale) const {
        return at::empty(shape, options_).normal_(0.0, scale);
    }

    json ceilings() const {
        constexpr int64_t n = 8192;
        const at::Tensor a = random({n, n}, 1.0), b = random({n, n}, 1.0);
        const cudaStream_t queue = current_queue(device_);
        Timer timer;
        std::vector<double> runs;
        for (int run = 0; run < 9; run++) {
            timer.begin(queue);
            const at::Tensor c = at::matmul(a, b);
            runs.push_back(timer.ms(queue));
        }
        std::nth_element(runs.begin(), runs.begin() + 4, runs.end());
        return {{"read_gb_s", read_gb_per_second(size_t{24} << 30)}, {"matmul_tflop_s", 2.0 * n * n * n / runs[4] * 1e-9},
                {"empty_kernel_us", empty_kernel_us(false)}, {"empty_kernel_overlapping_us", empty_kernel_us(true)}};
    }

    json make(const ModelConfig& config, int32_t packing) {
        cache_.reset(), loop_.reset(), reference_.reset();
        config_ = config;
        const int64_t h = config.hidden_size, q = config.query_size(), kv = config.kv_size(), f = config.ffn_size;
        ModelWeights weights;
        bytes_ = 0;
        weights.embedding = random({config.vocab_size, h}, 0.02);
        weights.final_norm = at::ones({h}, options_);
        make_head(config, packing, weights);
        for (int32_t layer = 0; layer < config.layer_count; layer++) {
            BlockWeights block;
            PackedBlock packed;
            block.input_norm = at::ones({h}, options_), block.post_norm = at::ones({h}, options_);
            make_slot(0, {q + 2 * kv, h}, packing, block, packed), make_slot(1, {h, q}, packing, block, packed);
            make_slot(2, {2 * f, h}, packing, block, packed), make_slot(3, {h, f}, packing, block, packed);
            if (config.qkv_bias) block.qkv_bias = random({q + 2 * kv}, 0.02);
            if (config.qk_norm) block.q_norm = at::ones({config.head_dim}, options_), block.k_norm = at::ones({config.head_dim}, options_);
            weights.packed.add(std::move(packed), block, options_, cuda::decodes_packed(cuda::Stream::bf16));
            weights.blocks.push_back(std::move(block));
        }
        loop_ = std::make_unique<LayerLoop>(config, DecoderCode{}, weights, device_);
        reference_ = std::make_unique<LayerLoop>(config, DecoderCode{}, weights, device_, false);
        cache_ = std::make_unique<CachePool>(config, at::kBFloat16, device_);
        return {{"bytes_per_token", bytes_}};
    }

    PackedMatrix packed(const at::Tensor& numbers, int32_t packing) {
        const int64_t rows = numbers.size(0), columns = numbers.size(1), group = packing_group(packing, columns, "random");
        PackedMatrix matrix = make_packed(quantise_form(packing), rows, columns, group, device_);
        constexpr int64_t kPiece = 4096;
        for (int64_t row = 0; row < rows; row += kPiece) quantise_rows(matrix, row, numbers.narrow(0, row, std::min(kPiece, rows - row)), "random");
        for_each_tensor(matrix, [&](at::Tensor& tensor) { bytes_ += tensor.nbytes(); });
        return matrix;
    }

    void make_slot(size_t slot, std::initializer_list<int64_t> shape, int32_t packing, BlockWeights& block, PackedBlock& into) {
        const at::Tensor numbers = random(shape, 0.02);
        if (packing != STEER_WEIGHTS_AS_STORED) return into[slot].matrices.push_back(packed(numbers, packing));
        bytes_ += numbers.nbytes();
        block.*kSlots[slot] = numbers;
    }

    void make_head(const ModelConfig& config, int32_t packing, ModelWeights& weights) {
        const at::Tensor head = config.tied_head ? weights.embedding : random({config.vocab_size, config.hidden_size}, 0.02);
        if (packing != STEER_WEIGHTS_AS_STORED)
            return weights.packed.set_head(packed(head, STEER_WEIGHTS_INT8), cuda::decodes_packed(cuda::Stream::bf16));
        weights.head = head;
        bytes_ += head.nbytes();
    }

    json run(const json& request) {
        const int32_t context = request.at("context"), rows = request.at("rows"), steps = request.at("steps");
        LayerLoop& loop = request.value("reference", false) ? *reference_ : *loop_;
        const Steering steering(config_, request.at("steer") == "all+4");
        const int32_t each = (context + steps + kBlockSize - 1) / kBlockSize;
        cache_->reserve(rows * each);
        ids_.assign(static_cast<size_t>(rows), 7);
        std::vector<std::vector<BlockId>> blocks(static_cast<size_t>(rows));
        for (int32_t row = 0; row < rows; row++)
            for (int32_t i = 0; i < each; i++) blocks[static_cast<size_t>(row)].push_back(i * rows + row);
        for (int32_t begin = 0; begin < context; begin += 512)
            for (const auto& row : blocks) prefill(loop, begin, std::min(512, context - begin), row);

        json answer{{"wall_ms", json::array()}, {"device_ms", json::array()}};
        const cudaStream_t queue = current_queue(device_);
        Timer timer;
        for (int32_t step = 0; step < steps; step++) {
            const auto begin = std::chrono::steady_clock::now();
            timer.begin(queue);
            decode(loop, context + step, blocks, steering, 0.5f + 0.001f * static_cast<float>(step));
            const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - begin;
            answer["device_ms"].push_back(timer.ms(queue));
            answer["wall_ms"].push_back(wall.count());
        }
        return answer;
    }

    void prefill(LayerLoop& loop, int32_t begin, int32_t count, const std::vector<BlockId>& blocks) const {
        std::vector<int32_t> ids, positions;
        for (int32_t i = 0; i < count; i++) ids.push_back(300 + (begin + i) * 79 % 1009), positions.push_back(begin + i);
        const std::vector<uint8_t> reply(ids.size(), 0);
        const std::span<const BlockId> used(blocks.data(), static_cast<size_t>((begin + count + kBlockSize - 1) / kBlockSize));
        const BatchRow row{.token_count = count, .kv_len = begin + count, .blocks = used};
        Results results;
        loop.run({.ids = ids, .positions = positions, .chooses_reply = reply, .rows = {&row, 1}}, *cache_, results);
    }

    void decode(LayerLoop& loop, int32_t position, const std::vector<std::vector<BlockId>>& blocks, const Steering& steering,
                float strength) {
        SamplingSettings greedy;
        greedy.temperature = 0.0f;
        const size_t count = blocks.size();
        const std::vector<int32_t> positions(count, position);
        const std::vector<uint8_t> reply(count, 1);
        std::vector<BatchRow> rows;
        std::vector<LogitRow> logit_rows;
        std::vector<Draw> draws;
        for (int32_t r = 0; r < static_cast<int32_t>(count); r++) {
            const auto used = static_cast<size_t>(position / kBlockSize + 1);
            rows.push_back({.token_begin = r, .token_count = 1, .kv_len = position + 1,
                            .blocks = {blocks[static_cast<size_t>(r)].data(), used}, .plan = &steering.plan, .strengths = {&strength, 1}});
            logit_rows.push_back({r});
            draws.push_back({r, &greedy, 1, position + 1, config_.vocab_size, {}, 0, {}});
        }
        Results results;
        loop.run({.ids = ids_, .positions = positions, .chooses_reply = reply, .rows = rows, .logit_rows = logit_rows, .draws = draws},
                 *cache_, results);
        for (size_t r = 0; r < count; r++) {
            if (!results.drawn.at(r).finite) fail(STEER_ERR_NUMERIC, "logits are not finite");
            ids_[r] = results.drawn[r].token;
        }
    }

    at::Device device_{at::kCUDA, 0};
    at::TensorOptions options_ = at::TensorOptions(device_).dtype(at::kBFloat16);
    ModelConfig config_;
    std::unique_ptr<LayerLoop> loop_, reference_;
    std::unique_ptr<CachePool> cache_;
    std::vector<int32_t> ids_;
    uint64_t bytes_ = 0; // of weights that a token reads
};

} // namespace

int main() {
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
        std::cout << json{{"error", dlerror()}} << std::endl;
        return 1;
    }
    Bench bench;
    answer_lines([&](const json& request) { return bench.answer(request); });
}
