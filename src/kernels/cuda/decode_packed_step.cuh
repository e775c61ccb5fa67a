// Launches of packed_kernel: one file compiles them for one type of x and one kind of codes.
#pragma once

#include "kernels/cuda/decode_call.h"
#include "kernels/cuda/decode_packed.cuh"

namespace steer::cuda {

template<class T, Codes kCodes> class PackedLaunch {
  public:
    static cudaError_t queue(const DecodeDevice& device, const PackedArgs& args, int role, int32_t rows, cudaStream_t queue) {
        return with_rows(rows, role, [&](auto kernel, auto bytes) {
            const dim3 grid(static_cast<unsigned>(2 * device.multiprocessors));
            return launch(device, kernel, grid, kGemvThreads, bytes(args.gemv.columns), queue, args);
        });
    }

    static cudaError_t prepare(const DecodeModel& model, int32_t rows) {
        const int32_t columns[] = {model.hidden_size, model.head_count * model.head_dim, model.hidden_size, model.ffn_size, model.hidden_size};
        cudaError_t error = cudaSuccess;
        for (int role = 0; role < 5 && error == cudaSuccess; role++)
            error = with_rows(rows, role, [&](auto kernel, auto bytes) {
                return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes(columns[role])));
            });
        return error;
    }

  private:
    template<class Visit> static cudaError_t with_rows(int32_t rows, int role, Visit visit) {
        return rows == 1 ? with_role<1>(role, visit) : rows == 2 ? with_role<2>(role, visit) : with_role<4>(role, visit);
    }

    template<int kRows, class Visit> static cudaError_t with_role(int role, Visit visit) {
        switch (static_cast<Role>(role)) {
        case Role::qkv: return visit(packed_kernel<T, kRows, Role::qkv, kCodes>, packed_shared<T, kRows, Role::qkv>);
        case Role::o: return visit(packed_kernel<T, kRows, Role::o, kCodes>, packed_shared<T, kRows, Role::o>);
        case Role::gate_up: return visit(packed_kernel<T, kRows, Role::gate_up, kCodes>, packed_shared<T, kRows, Role::gate_up>);
        case Role::down: return visit(packed_kernel<T, kRows, Role::down, kCodes>, packed_shared<T, kRows, Role::down>);
        default: return visit(packed_kernel<T, kRows, Role::head, kCodes>, packed_shared<T, kRows, Role::head>);
        }
    }
};

template<class T, Codes kCodes>
cudaError_t queue_codes(const DecodeDevice& device, const PackedArgs& args, int role, int32_t rows, cudaStream_t queue);
template<class T, Codes kCodes> cudaError_t prepare_codes(const DecodeModel& model, int32_t rows);

} // namespace steer::cuda
