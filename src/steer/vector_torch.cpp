// What torch.save wrote: which payload is it? Never normalised. Payloads by name are in vector_payloads.cpp.
//   {20: row, 21: row}           older persona files: row L was measured at the output of block L and is applied at its
//   input, one
//                                block early, because the tool that made these files does it so
//   a tensor or numpy array      [layers, hidden], [layers + 1, hidden] or [hidden]: see set_matrix
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_payloads.h"

#include <algorithm>
#include <utility>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

[[noreturn]] void refuse_payload(const std::string& name, const std::string& what) {
    fail(STEER_ERR_UNSUPPORTED,
         "{}: holds {}; a tensor of rows or a dict of layer number to one row, {{20: tensor[hidden]}}, is what can be "
         "read",
         name, what);
}

// The tensor of every layer, in the order of layers.
std::map<int32_t, const PickleTensor*> find_rows(const PickleTree& tree, const PickleNode& dict,
                                                 const std::string& name) {
    std::map<int32_t, const PickleTensor*> rows;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
        const PickleNode& key = tree.at(dict.items[i]);
        const PickleNode& value = tree.at(dict.items[i + 1]);
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

VectorPtr load_layers(TorchZip& file, const PickleNode& dict, const VectorOptions& options) {
    const std::string& name = file.name();
    LayerRows rows;
    uint64_t read_bytes = 0; // rows may be views of one storage; a small file must not become large by that
    for (const auto& [layer, tensor] : find_rows(file.tree(), dict, name)) {
        if (tensor->shape.size() != 1)
            refuse_payload(name,
                           fmt::format("a tensor of shape [{}] for layer {}", fmt::join(tensor->shape, ", "), layer));
        const auto numbers = static_cast<uint64_t>(tensor->shape[0]);
        if (numbers <= file.size()) read_bytes += numbers * dtype_size(tensor->dtype);
        if (numbers > file.size() || read_bytes > file.size())
            fail(STEER_ERR_FORMAT, "{}: its rows have more numbers than the file: they share one storage", name);
        rows[layer] = file.read_floats(*tensor);
    }
    Vector draft;
    draft.name = choose_name(options, name);
    set_rows(draft, std::move(rows), name);
    VectorOptions sites = options;
    if (sites.site_measured == STEER_SITE_FROM_FILE) sites.site_measured = STEER_SITE_OUTPUT;
    if (sites.site_applied == STEER_SITE_FROM_FILE) sites.site_applied = STEER_SITE_INPUT;
    set_sites(draft, {}, sites, name);
    return finish_vector(std::move(draft), name, STEER_ERR_FORMAT);
}

VectorPtr load_tensor(TorchZip& file, const PickleNode& node, const VectorOptions& options) {
    Vector draft;
    draft.name = choose_name(options, file.name());
    const StoredSites sites = set_tensor(draft, file, node, MatrixRows::unknown, options);
    set_sites(draft, sites, options, file.name());
    return finish_vector(std::move(draft), file.name(), STEER_ERR_FORMAT);
}

bool has_names(const PickleTree& tree, const PickleNode& dict) {
    for (size_t i = 0; i < dict.items.size(); i += 2)
        if (tree.at(dict.items[i]).kind == Kind::text) return true;
    return false;
}

} // namespace

VectorPtr load_torch_vector(TorchZip file, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    const PickleNode& root = tree.at(tree.root);
    if (root.kind == Kind::tensor) return load_tensor(file, root, options);
    if (root.kind == Kind::list && !root.items.empty()) refuse_known_dict(file, tree.at(root.items[0]));
    if (root.kind != Kind::dict) refuse_payload(file.name(), pickle_kind_name(root.kind));
    if (root.items.empty()) fail(STEER_ERR_FORMAT, "{}: the dict is empty", file.name());
    if (has_names(tree, root)) {
        if (VectorPtr vector = load_named_payload(file, root, options)) return vector;
        refuse_known_dict(file, root);
    }
    return load_layers(file, root, options);
}

} // namespace steer
