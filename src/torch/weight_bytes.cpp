// How much memory a model's weights will take, said before any is read.
#include "files/error.h"
#include "model/stored_linear.h"
#include "torch/quantise.h"
#include "torch/weights.h"

#include <algorithm>

namespace steer {
namespace {

uint64_t product(const std::vector<int64_t>& shape) {
    uint64_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<uint64_t>(extent);
    return count;
}

uint64_t quantised_bytes(const Package& package, int32_t packing, const WeightShape& weight) {
    const uint64_t rows = static_cast<uint64_t>(weight.shape[0]), columns = static_cast<uint64_t>(weight.shape[1]);
    const uint64_t groups = columns / static_cast<uint64_t>(quantise_group(packing, weight.shape[1], fmt::format("{}: weight {}", package.folder, weight.name)));
    switch (packing) {
    case STEER_WEIGHTS_INT8: return rows * (columns + 4);
    case STEER_WEIGHTS_INT4: return rows * (columns / 2 + groups * 3);
    default: return rows * (columns / 2 + groups * 4);
    }
}

// Of a packed checkpoint: codes are kept, scales are float32 at most, zeros a byte; blocks of GGUF stay what they are.
uint64_t repacked_bytes(const StoredLinear& linear) {
    if (linear.form == QuantMethod::gguf) return linear.codes.tensor->size();
    const uint64_t rows = static_cast<uint64_t>(linear.rows), columns = static_cast<uint64_t>(linear.columns);
    const uint64_t groups = columns / static_cast<uint64_t>(linear.group);
    if (linear.form == QuantMethod::nf4) return rows * (columns / 2 + groups * 4);
    return rows * (columns / 2 + groups * (1 + dtype_size(linear.scales.tensor->dtype)));
}

} // namespace

uint64_t weight_bytes(const Package& package, const WeightFormat& format) {
    const uint64_t item = c10::elementSize(format.dtype);
    const bool packs = format.packing != STEER_WEIGHTS_AS_STORED;
    if (packs && package.config.quantisation.method != QuantMethod::none)
        fail(STEER_ERR_UNSUPPORTED, "{}: is quantised already (\"quantization_config\" in config.json): load it with STEER_WEIGHTS_AS_STORED",
             package.folder);
    uint64_t bytes = 0, room = 0;
    bool unpacks = packs;
    for (const WeightShape& weight : expected_weights(package.config)) {
        const uint64_t plain = product(weight.shape) * item;
        const bool head = weight.name == "lm_head.weight";
        const StoredLinear linear = weight.is_linear ? find_linear(package, weight) : StoredLinear{};
        const bool packed = linear.form != QuantMethod::none;
        if (packs && packed)
            fail(STEER_ERR_UNSUPPORTED, "{}: is quantised already (weight {} is in blocks of {}): load it with STEER_WEIGHTS_AS_STORED",
                 package.folder, weight.name, dtype_name(linear.codes.tensor->dtype));
        unpacks = unpacks || (packed && !head);
        if (weight.is_linear && packs) bytes += quantised_bytes(package, head ? STEER_WEIGHTS_INT8 : format.packing, weight);
        else bytes += packed ? repacked_bytes(linear) : plain;
        if (weight.is_linear && weight.name.starts_with("model.layers.0.")) room += plain;
    }
    if (packs && package.config.tied_head) // a head of its own, beside the embedding
        bytes += quantised_bytes(package, STEER_WEIGHTS_INT8, {"model.embed_tokens.weight", {package.config.vocab_size, package.config.hidden_size}});
    return bytes + (unpacks ? room : 0);
}

} // namespace steer
