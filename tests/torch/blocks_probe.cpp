// dequantise_blocks behind a command line, for comparison with gguf-py:
//   blocks_probe DTYPE ROW_BYTES IN OUT [DEVICE]    rows of blocks as they lie in a file; out come raw float32
#include "files/error.h"
#include "files/file.h"
#include "torch/gguf_blocks.h"

#include <ATen/ops/from_blob.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace steer;

namespace {

Dtype dtype_of(std::string_view name) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::q4_0, Dtype::q8_0, Dtype::q4_k, Dtype::q6_k})
        if (name == dtype_name(dtype)) return dtype;
    fail(STEER_ERR_ARG, "there is no type {}", name);
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 5) return std::fprintf(stderr, "blocks_probe DTYPE ROW_BYTES IN OUT [DEVICE]\n"), 2;
    try {
        std::string bytes = read_file(argv[3], 1u << 30);
        const int64_t row = std::atoll(argv[2]), rows = static_cast<int64_t>(bytes.size()) / row;
        const at::Tensor stored = at::from_blob(bytes.data(), {rows, row}, at::kByte).to(at::Device(argc > 5 ? argv[5] : "cpu"));
        const at::Tensor weights = dequantise_blocks(stored, dtype_of(argv[1])).cpu().contiguous();
        std::ofstream(argv[4], std::ios::binary)
            .write(static_cast<const char*>(weights.data_ptr()), static_cast<std::streamsize>(weights.nbytes()));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
