// The kernels of a decode step in their order, for one type of weights. Each type is compiled in a file of its own.
#pragma once

#include "kernels/cuda/decode_attend_wide.cuh"
#include "kernels/cuda/decode_call.h"
#include "kernels/cuda/decode_draw.h"
#include "kernels/cuda/decode_gemv.cuh"
#include "kernels/cuda/decode_packed.cuh"

namespace steer::cuda {

template<class T, int kRows> class Step {
  public:
    explicit Step(const StepCall& call) : model_(call.model), device_(call.device), memory_(call.memory), queue_(call.queue) {}

    cudaError_t queue() {
        for (int32_t layer = 0; layer < model_.layer_count && error_ == cudaSuccess; layer++) {
            const DecodeLayer& weights = model_.layers[layer];
            qkv(layer, weights);
            attend(layer, weights);
            o(weights);
            gate_up(weights);
            down(weights);
        }
        head();
        if (error_ == cudaSuccess) error_ = queue_draw(device_, memory_, model_.vocab_size, kRows, queue_);
        return error_;
    }

    static cudaError_t prepare(const DecodeModel& model) {
        cudaError_t error = cudaSuccess;
        const auto give = [&](auto kernel, size_t bytes) {
            if (error == cudaSuccess) error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
        };
        give(attend_kernel<T>, sizeof(AttendMemory<T>));
        give(gemv_kernel<T, kRows, Role::qkv>, shared<Role::qkv>(model.hidden_size));
        give(gemv_kernel<T, kRows, Role::o>, shared<Role::o>(model.head_count * model.head_dim));
        give(gemv_kernel<T, kRows, Role::gate_up>, shared<Role::gate_up>(model.hidden_size));
        give(gemv_kernel<T, kRows, Role::down>, shared<Role::down>(model.ffn_size));
        give(gemv_kernel<T, kRows, Role::head>, shared<Role::head>(model.hidden_size));
        return error == cudaSuccess ? prepare_packed<T>(model, kRows) : error;
    }

  private:
    template<Role kRole> static size_t shared(int32_t columns) {
        if (kRole == Role::qkv || kRole == Role::head) return StateMemory<T, kRows>::size(columns);
        return static_cast<size_t>(kRows) * static_cast<size_t>(columns) * sizeof(T);
    }

    int32_t kv_rows() const { return (model_.head_count + 2 * model_.kv_head_count) * model_.head_dim; }

    // As many warps to a pair of rows as keep all warps busy, while each has two loads of a row at least.
    int32_t split(int32_t rows, int32_t columns) const {
        const int32_t groups = 2 * device_.multiprocessors * kGemvWarps, pairs = (rows + 1) / 2, loads = columns / (32 * kPack<T>);
        int32_t split = 1;
        while (split < kGemvWarps && pairs * split * 2 <= groups && split * 4 <= loads) split *= 2;
        return split;
    }

    // As many warps to a tile as leave the fewest tiles to wait for at the end.
    int32_t packed_split(int32_t rows, int32_t columns) const {
        const int32_t tiles = rows / kTileRows, steps = columns / kTileColumns;
        int32_t best = 1, least = INT32_MAX;
        for (int32_t split = 1; split <= kGemvWarps && split <= steps; split *= 2) {
            const int32_t groups = 2 * device_.multiprocessors * kGemvWarps / split;
            const int32_t turns = (tiles + groups - 1) / groups * ((steps + split - 1) / split); // of the warp that has most
            if (turns < least) best = split, least = turns;
        }
        return best;
    }

    GemvArgs gemv(const DecodeMatrix& matrix, int32_t rows, int32_t columns) const {
        GemvArgs args{};
        args.weight = matrix.weight, args.rows = rows, args.columns = columns;
        args.split = matrix.codes == Codes::dense ? split(rows, columns) : packed_split(rows, columns);
        args.stream = memory_.stream;
        args.largest = memory_.largest;
        args.state = {memory_.control, nullptr, memory_.stream, memory_.after_site, memory_.pushed,
                      nullptr, model_.norm_eps, model_.hidden_size, -1};
        return args;
    }

    template<Role kRole> void launch_gemv(const GemvArgs& args, const DecodeMatrix& matrix) {
        if (error_ != cudaSuccess) return;
        if (matrix.codes != Codes::dense) {
            const PackedArgs packed{args, matrix.scales, matrix.group};
            error_ = queue_packed<T>(device_, packed, matrix.codes, static_cast<int>(kRole), kRows, queue_);
            return;
        }
        const dim3 grid(static_cast<unsigned>(2 * device_.multiprocessors));
        error_ = launch(device_, gemv_kernel<T, kRows, kRole>, grid, kGemvThreads, shared<kRole>(args.columns), queue_, args);
    }

    void qkv(int32_t layer, const DecodeLayer& weights) {
        GemvArgs args = gemv(weights.qkv, kv_rows(), model_.hidden_size);
        args.bias = weights.qkv_bias;
        args.state.norm = weights.input_norm;
        args.state.site = layer; // of the block before: site -1 is 0 here
        if (layer == 0) args.state.embedding = model_.embedding;
        args.output = memory_.qkv;
        launch_gemv<Role::qkv>(args, weights.qkv);
    }

    void attend(int32_t layer, const DecodeLayer& weights) {
        if (error_ != cudaSuccess) return;
        const AttendArgs args{memory_.control, memory_.qkv, weights.q_norm, weights.k_norm, model_.rope_frequencies,
                              model_.norm_eps, model_.rope_scale, layer, model_.layer_count, model_.head_count,
                              model_.kv_head_count, model_.head_dim, memory_.partials, memory_.tickets, memory_.attended};
        const dim3 grid(static_cast<unsigned>(kDecodeSplits * model_.kv_head_count), kRows);
        error_ = launch(device_, attend_kernel<T>, grid, kAttendThreads, sizeof(AttendMemory<T>), queue_, args);
    }

    void o(const DecodeLayer& weights) {
        GemvArgs args = gemv(weights.o, model_.hidden_size, model_.head_count * model_.head_dim);
        args.input = memory_.attended;
        args.output = memory_.stream;
        launch_gemv<Role::o>(args, weights.o);
    }

    void gate_up(const DecodeLayer& weights) {
        GemvArgs args = gemv(weights.gate_up, 2 * model_.ffn_size, model_.hidden_size);
        args.state.norm = weights.post_norm;
        args.output = memory_.activated;
        launch_gemv<Role::gate_up>(args, weights.gate_up);
    }

    void down(const DecodeLayer& weights) {
        GemvArgs args = gemv(weights.down, model_.hidden_size, model_.ffn_size);
        args.input = memory_.activated;
        args.output = memory_.stream;
        launch_gemv<Role::down>(args, weights.down);
    }

    void head() {
        GemvArgs args = gemv(model_.head, model_.vocab_size, model_.hidden_size);
        args.state.norm = model_.final_norm;
        args.state.site = model_.layer_count;
        args.output = memory_.logits;
        launch_gemv<Role::head>(args, model_.head);
    }

    const DecodeModel& model_;
    const DecodeDevice& device_;
    const DecodeMemory& memory_;
    cudaStream_t queue_;
    cudaError_t error_ = cudaSuccess;
};

// What decode.cu calls for each type of weights.
template<class T> cudaError_t queue_step(const StepCall& call, int32_t rows) {
    return rows == 1 ? Step<T, 1>(call).queue() : rows == 2 ? Step<T, 2>(call).queue() : Step<T, 4>(call).queue();
}
template<class T> cudaError_t prepare_step(const DecodeModel& model, int32_t rows) {
    return rows == 1 ? Step<T, 1>::prepare(model) : rows == 2 ? Step<T, 2>::prepare(model) : Step<T, 4>::prepare(model);
}

} // namespace steer::cuda
