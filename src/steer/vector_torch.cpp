// Older persona files: torch.save of {layer: row}, no metadata. Row L was measured at the output of block L and is
// applied at its input, one block early, because the tool that made these files does it so. Never normalised.
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <map>
#include <utility>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

constexpr int64_t kLayerMax = 4096;

[[noreturn]] void refuse_payload(const std::string& name, const std::string& what) {
    fail(STEER_ERR_UNSUPPORTED,
         "{}: holds {}; a dict of layer number to one row, {{20: tensor[hidden]}}, is what can be read", name, what);
}

// The tensor of every layer, in the order of layers.
std::map<int32_t, const PickleTensor*> find_rows(const PickleTree& tree, const std::string& name) {
    const PickleNode& root = tree.at(tree.root);
    if (root.kind != Kind::dict) refuse_payload(name, pickle_kind_name(root.kind));
    if (root.items.empty()) fail(STEER_ERR_FORMAT, "{}: the dict is empty", name);
    std::map<int32_t, const PickleTensor*> rows;
    for (size_t i = 0; i < root.items.size(); i += 2) {
        const PickleNode& key = tree.at(root.items[i]);
        const PickleNode& value = tree.at(root.items[i + 1]);
        if (key.kind != Kind::integer)
            refuse_payload(name, key.kind == Kind::text ? "a dict with the key " + quote(key.text)
                                                        : std::string("a dict whose keys are not layer numbers"));
        if (key.integer < 0 || key.integer >= kLayerMax)
            fail(STEER_ERR_FORMAT, "{}: {} is no layer number", name, key.integer);
        const auto layer = static_cast<int32_t>(key.integer);
        if (value.kind != Kind::tensor)
            refuse_payload(name, fmt::format("{} for layer {}", pickle_kind_name(value.kind), layer));
        if (!rows.emplace(layer, &tree.tensors[value.tensor]).second)
            fail(STEER_ERR_FORMAT, "{}: layer {} stands twice in the dict", name, layer);
    }
    return rows;
}

} // namespace

VectorPtr load_torch_vector(TorchZip file, const VectorOptions& options) {
    const std::string name = file.name();
    const auto rows = find_rows(file.tree(), name);
    Vector draft;
    draft.name = options.name.empty() ? name_from_path(name) : options.name;
    draft.layer_begin = rows.begin()->first;
    draft.layer_end = rows.rbegin()->first + 1;
    draft.write.resize(static_cast<size_t>(draft.layer_end - draft.layer_begin));
    uint64_t read_bytes = 0; // rows may be views of one storage; a small file must not become large by that
    for (const auto& [layer, tensor] : rows) {
        if (tensor->shape.size() != 1)
            refuse_payload(name,
                           fmt::format("a tensor of shape [{}] for layer {}", fmt::join(tensor->shape, ", "), layer));
        const auto numbers = static_cast<uint64_t>(tensor->shape[0]);
        if (numbers <= file.size()) read_bytes += numbers * dtype_size(tensor->dtype);
        if (numbers > file.size() || read_bytes > file.size())
            fail(STEER_ERR_FORMAT, "{}: its rows have more numbers than the file: they share one storage", name);
        std::vector<float> values = file.read_floats(*tensor);
        if (draft.hidden_size == 0)
            draft.hidden_size = static_cast<int32_t>(std::min<size_t>(values.size(), INT32_MAX));
        if (values.empty()) fail(STEER_ERR_FORMAT, "{}: the row of layer {} is empty", name, layer);
        draft.write[static_cast<size_t>(layer - draft.layer_begin)].values = std::move(values);
    }
    VectorOptions sites = options;
    if (sites.site_measured == STEER_SITE_FROM_FILE) sites.site_measured = STEER_SITE_OUTPUT;
    if (sites.site_applied == STEER_SITE_FROM_FILE) sites.site_applied = STEER_SITE_INPUT;
    set_sites(draft, {}, sites, name);
    return finish_vector(std::move(draft), name, STEER_ERR_FORMAT);
}

} // namespace steer
