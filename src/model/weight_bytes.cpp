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

uint64_t quantised_bytes(const Package& package, int32_t packing, const WeightShape& weight) {
    const std::string name = fmt::format("{}: weight {}", package.folder, weight.name);
    const uint64_t rows = static_cast<uint64_t>(weight.shape[0]), columns = static_cast<uint64_t>(weight.shape[1]);
    const uint64_t groups = columns / static_cast<uint64_t>(packing_group(packing, weight.shape[1], name));
    switch (packing) {
    case STEER_WEIGHTS_INT8: return rows * (columns + 4);
    case STEER_WEIGHTS_INT4: return rows * (columns / 2 + groups * 3);
    default: return rows * (columns / 2 + groups * 4) + kLevelBytes;
    }
}

// Of a packed checkpoint: codes are kept, scales are float32 at most, zeros a byte, the group of a column 8; blocks of GGUF stay
// what they are.
uint64_t repacked_bytes(const StoredLinear& linear, bool act_order) {
    if (linear.form == QuantMethod::gguf) return linear.codes.tensor->size();
    const uint64_t rows = static_cast<uint64_t>(linear.rows), columns = static_cast<uint64_t>(linear.columns);
    const uint64_t groups = columns / static_cast<uint64_t>(linear.group);
    if (linear.form == QuantMethod::nf4) return rows * (columns / 2 + groups * 4) + kLevelBytes;
    const uint64_t order = act_order && linear.order.tensor != nullptr && groups > 1 ? columns * sizeof(int64_t) : 0;
    return rows * (columns / 2 + groups * (1 + dtype_size(linear.scales.tensor->dtype))) + order;
}

void refuse_packing_again(const Package& package, const StoredLinear& linear, const std::string& name) {
    if (linear.form == QuantMethod::gguf)
        fail(STEER_ERR_UNSUPPORTED, "{}: is quantised already (weight {} is in blocks of {}): load it with STEER_WEIGHTS_AS_STORED",
             package.folder, name, dtype_name(linear.codes.tensor->dtype));
    if (package.config.quantisation.method != QuantMethod::none)
        fail(STEER_ERR_UNSUPPORTED, "{}: is quantised already (\"quantization_config\" in config.json): load it with STEER_WEIGHTS_AS_STORED",
             package.folder);
}

} // namespace

int64_t packing_group(int32_t packing, int64_t columns, const std::string& name) {
    if (packing == STEER_WEIGHTS_INT8) return columns;
    for (const int64_t group : {128, 64, 32})
        if (columns % group == 0 && (packing == STEER_WEIGHTS_INT4 || group == 64)) return group;
    fail(STEER_ERR_UNSUPPORTED, "{}: it has {} columns, which {} does not divide: use STEER_WEIGHTS_INT8 or load it as stored", name, columns,
         packing == STEER_WEIGHTS_INT4 ? 32 : 64);
}

uint64_t weight_bytes(const Package& package, uint64_t item, int32_t packing) {
    const bool packs = packing != STEER_WEIGHTS_AS_STORED;
    uint64_t bytes = 0, room = 0;
    bool unpacks = packs; // there is a block whose matrices need room
    for (const WeightShape& weight : expected_weights(package.config)) {
        const uint64_t plain = product(weight.shape) * item;
        const bool head = weight.name == "lm_head.weight";
        const StoredLinear linear = weight.is_linear ? find_linear(package, weight) : StoredLinear{};
        const bool packed = linear.form != QuantMethod::none;
        if (packs) refuse_packing_again(package, linear, weight.name);
        unpacks = unpacks || (packed && !head);
        if (weight.is_linear && packs) bytes += quantised_bytes(package, head ? STEER_WEIGHTS_INT8 : packing, weight);
        else bytes += packed ? repacked_bytes(linear, package.config.quantisation.act_order) : plain;
        if (weight.is_linear && weight.name.starts_with("model.layers.0.")) room += plain;
    }
    if (packs && package.config.tied_head) // a head of its own, beside the embedding
        bytes += quantised_bytes(package, STEER_WEIGHTS_INT8, {"model.embed_tokens.weight", {package.config.vocab_size, package.config.hidden_size}});
    return bytes + (unpacks ? room : 0);
}

} // namespace steer
