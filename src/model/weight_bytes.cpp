#include "model/weight_bytes.h"

#include "files/error.h"
#include "model/stored_linear.h"
#include "steer/steer.h"

namespace steer {
namespace {

constexpr uint64_t kLevelBytes = 16 * sizeof(float); // nf4: of each matrix

uint64_t product(const std::vector<int64_t>& shape) {
    uint64_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<uint64_t>(extent);
    return count;
}

uint64_t quantised_bytes(int32_t packing, const WeightShape& weight) {
    const uint64_t rows = static_cast<uint64_t>(weight.shape[0]), columns = static_cast<uint64_t>(weight.shape[1]);
    const uint64_t groups = columns / static_cast<uint64_t>(packing_group(packing, weight.shape[1], weight.name));
    switch (packing) {
    case STEER_WEIGHTS_INT8: return rows * (columns + 4);
    case STEER_WEIGHTS_INT4: return rows * (columns / 2 + groups * 3);
    default: return rows * (columns / 2 + groups * 4) + kLevelBytes;
    }
}

// Of a packed checkpoint: codes are kept, scales are float32 at most, zeros a byte, the group of a column 8.
uint64_t repacked_bytes(const StoredLinear& linear, bool act_order) {
    const uint64_t rows = static_cast<uint64_t>(linear.rows), columns = static_cast<uint64_t>(linear.columns);
    const uint64_t groups = columns / static_cast<uint64_t>(linear.group);
    if (linear.form == QuantMethod::nf4) return rows * (columns / 2 + groups * 4) + kLevelBytes;
    const uint64_t order = act_order && linear.order.tensor != nullptr && groups > 1 ? columns * sizeof(int64_t) : 0;
    return rows * (columns / 2 + groups * (1 + dtype_size(linear.scales.tensor->dtype))) + order;
}

} // namespace

int64_t packing_group(int32_t packing, int64_t columns, const std::string& name) {
    if (packing == STEER_WEIGHTS_INT8) return columns;
    for (const int64_t group : {128, 64, 32})
        if (columns % group == 0 && (packing == STEER_WEIGHTS_INT4 || group == 64)) return group;
    fail(STEER_ERR_UNSUPPORTED, "weight {} has {} columns, {} does not divide them: use STEER_WEIGHTS_INT8 or load it as stored", name, columns,
         packing == STEER_WEIGHTS_INT4 ? 32 : 64);
}

uint64_t weight_bytes(const Package& package, uint64_t item, int32_t packing) {
    const bool packs = packing != STEER_WEIGHTS_AS_STORED;
    if (packs && package.config.quantisation.method != QuantMethod::none)
        fail(STEER_ERR_UNSUPPORTED, "{}: is quantised already (\"quantization_config\" in config.json): load it with STEER_WEIGHTS_AS_STORED",
             package.folder);
    uint64_t bytes = 0, room = 0;
    for (const WeightShape& weight : expected_weights(package.config)) {
        const uint64_t plain = product(weight.shape) * item;
        const bool head = weight.name == "lm_head.weight";
        const StoredLinear linear = weight.is_linear ? find_linear(package, weight) : StoredLinear{};
        const bool packed = linear.form != QuantMethod::none;
        if (weight.is_linear && packs) bytes += quantised_bytes(head ? STEER_WEIGHTS_INT8 : packing, weight);
        else bytes += packed ? repacked_bytes(linear, package.config.quantisation.act_order) : plain;
        if (weight.name.starts_with("model.layers.0.") && (packs || package.config.quantisation.method != QuantMethod::none))
            room += weight.is_linear ? plain : 0;
    }
    if (packs && package.config.tied_head) // a head of its own, beside the embedding
        bytes += quantised_bytes(STEER_WEIGHTS_INT8, {"model.embed_tokens.weight", {package.config.vocab_size, package.config.hidden_size}});
    return bytes + room;
}

} // namespace steer
