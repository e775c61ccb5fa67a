// Dicts by name, as tools of others save them:
//   {"axis": [layers, hidden], "metadata"?: {...}}             assistant-axis: measured and pushed in at out(i)
//   {"vector": [layers, hidden], "type": str, "role": str}     assistant-axis, one role: the same
//   {"vectors": {name: {"layer": int, "vector": [hidden]}}, "experiments": [...]}
//                                                              assistant-axis, capping: one row, its caps in the
//                                                              metadata
//   {"dir": [hidden], "avg_proj": ...}                         vLLM-Hook: the layer is in its configuration, not in the
//   file
#include "steer/vector_payloads.h"
#include "files/error.h"
#include "files/json_value.h"
#include "files/quote.h"
#include "files/utf8.h"

#include <algorithm>
#include <utility>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

std::string as_text(const PickleNode& node) { // of a text or a number; empty: of anything else
    switch (node.kind) {
    case Kind::text: return node.text;
    case Kind::integer: return std::to_string(node.integer);
    case Kind::real: return fmt::format("{}", node.real);
    case Kind::boolean: return node.integer != 0 ? "true" : "false";
    default: return {};
    }
}

// Texts and numbers of a dict; what is nested deeper is left out.
void keep_entries(Vector& draft, const PickleTree& tree, const PickleNode* dict) {
    if (dict == nullptr || dict->kind != Kind::dict) return;
    for (size_t i = 0; i < dict->items.size(); i += 2) {
        const PickleNode& key = tree.at(dict->items[i]);
        const std::string value = as_text(tree.at(dict->items[i + 1]));
        if (key.kind == Kind::text && !value.empty()) keep_metadata(draft, key.text, value);
    }
}

VectorPtr finish(Vector draft, StoredSites sites, const TorchZip& file, const VectorOptions& options) {
    if (draft.name.empty()) draft.name = choose_name(options, file.name());
    set_sites(draft, sites, options, file.name());
    return finish_vector(std::move(draft), file.name(), STEER_ERR_FORMAT);
}

VectorPtr load_axis(TorchZip& file, const PickleNode& dict, const char* key, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    Vector draft;
    const StoredSites sites = set_tensor(draft, file, *tree.find(dict, key), MatrixRows::outputs, options);
    keep_entries(draft, tree, tree.find(dict, "metadata"));
    for (const char* word : {"type", "role"})
        if (const PickleNode* value = tree.find(dict, word); value != nullptr && value->kind == Kind::text)
            keep_metadata(draft, word, value->text);
    return finish(std::move(draft), sites, file, options);
}

VectorPtr load_hook_direction(TorchZip& file, const PickleNode& dict, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    Vector draft;
    const StoredSites sites = set_tensor(draft, file, *tree.find(dict, "dir"), MatrixRows::unknown, options);
    const PickleNode* mean = tree.find(dict, "avg_proj");
    if (mean != nullptr && mean->kind == Kind::tensor) {
        const std::vector<float> value = file.read_floats(tree.tensors[mean->tensor]);
        if (value.size() == 1) keep_metadata(draft, "avg_proj", fmt::format("{}", value[0]));
    } else if (mean != nullptr && !as_text(*mean).empty()) {
        keep_metadata(draft, "avg_proj", as_text(*mean));
    }
    return finish(std::move(draft), sites, file, options);
}

// -- capping

std::string names_of(const PickleTree& tree, const PickleNode& vectors) {
    constexpr size_t kShown = 8;
    std::string out;
    for (size_t i = 0; i < vectors.items.size() && i < 2 * kShown; i += 2)
        out += (i == 0 ? "" : ", ") + quote(as_text(tree.at(vectors.items[i])));
    return vectors.items.size() > 2 * kShown ? out + ", ..." : out;
}

const PickleNode& choose_vector(const TorchZip& file, const PickleNode& vectors, std::string& name) {
    const PickleTree& tree = file.tree();
    if (vectors.items.empty()) fail(STEER_ERR_FORMAT, "{}: \"vectors\" is empty", file.name());
    if (name.empty() && vectors.items.size() == 2) name = as_text(tree.at(vectors.items[0]));
    const PickleNode* chosen = tree.find(vectors, name);
    if (chosen == nullptr || name.empty())
        fail(STEER_ERR_ARG, "{}: {}; choose by the option name: {}", file.name(),
             name.empty() ? "holds several vectors" : "holds no vector " + quote(name), names_of(tree, vectors));
    return *chosen;
}

// {experiment: cap} of the vector, as JSON: the upper bound of the projection on the vector made one long.
std::string caps_of(const PickleTree& tree, const PickleNode* experiments, const std::string& name) {
    Json caps = Json::object();
    if (experiments == nullptr || experiments->kind != Kind::list) return caps.dump();
    for (const uint32_t item : experiments->items) {
        const PickleNode* id = tree.find(tree.at(item), "id");
        const PickleNode* interventions = tree.find(tree.at(item), "interventions");
        if (id == nullptr || interventions == nullptr || interventions->kind != Kind::list) continue;
        for (const uint32_t one : interventions->items) {
            const PickleNode* vector = tree.find(tree.at(one), "vector");
            const PickleNode* cap = tree.find(tree.at(one), "cap");
            if (vector == nullptr || cap == nullptr || vector->text != name) continue;
            Json& entry = caps[replace_invalid_utf8(as_text(*id))];
            if (cap->kind == Kind::real) entry = cap->real;
            if (cap->kind == Kind::integer) entry = cap->integer;
            if (caps.size() >= 256) return caps.dump();
        }
    }
    return caps.dump();
}

VectorPtr load_capping(TorchZip& file, const PickleNode& dict, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    std::string name = options.name;
    const PickleNode& chosen = choose_vector(file, *tree.find(dict, "vectors"), name);
    Vector draft;
    draft.name = replace_invalid_utf8(name);
    const PickleNode *layer = tree.find(chosen, "layer"), *row = tree.find(chosen, "vector");
    if (layer == nullptr || layer->kind != Kind::integer || layer->integer < 0 || layer->integer >= kLayerMax ||
        row == nullptr)
        fail(STEER_ERR_FORMAT, "{}: the vector {} needs a \"layer\" of 0 to {} and a \"vector\"", file.name(),
             quote(draft.name), kLayerMax - 1);
    if (row->kind != Kind::tensor || tree.tensors[row->tensor].shape.size() != 1)
        fail(STEER_ERR_FORMAT, "{}: the vector {} is no tensor of one dimension", file.name(), quote(draft.name));
    VectorOptions placed = options;
    placed.layer_begin = static_cast<int32_t>(layer->integer);
    set_tensor(draft, file, *row, MatrixRows::unknown, placed);
    draft.metadata["capping"] = caps_of(tree, tree.find(dict, "experiments"), name);
    return finish(std::move(draft), kAtOutput, file, options);
}

} // namespace

StoredSites set_tensor(Vector& draft, TorchZip& file, const PickleNode& node, MatrixRows kind,
                       const VectorOptions& options) {
    if (node.kind != Kind::tensor)
        fail(STEER_ERR_UNSUPPORTED, "{}: {} where a tensor of rows should be", file.name(),
             pickle_kind_name(node.kind));
    const PickleTensor& tensor = file.tree().tensors[node.tensor];
    uint64_t numbers = 1;
    for (const int64_t dim : tensor.shape)
        if (dim == 0 ||
            numbers > file.size() / static_cast<uint64_t>(dim)) // before any memory is taken for a view of little
            fail(STEER_ERR_FORMAT, "{}: a tensor of shape [{}] in a file of {} bytes", file.name(),
                 fmt::join(tensor.shape, ", "), file.size());
        else
            numbers *= static_cast<uint64_t>(dim);
    return set_matrix(draft, file.read_floats(tensor), tensor.shape, kind, options, file.name());
}

VectorPtr load_named_payload(TorchZip& file, const PickleNode& dict, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    if (tree.find(dict, "axis") != nullptr) return load_axis(file, dict, "axis", options);
    if (tree.find(dict, "vector") != nullptr) return load_axis(file, dict, "vector", options);
    if (tree.find(dict, "dir") != nullptr) return load_hook_direction(file, dict, options);
    const PickleNode* vectors = tree.find(dict, "vectors");
    if (vectors != nullptr && vectors->kind == Kind::dict) return load_capping(file, dict, options);
    return nullptr;
}

void refuse_known_dict(const TorchZip& file, const PickleNode& dict) {
    struct Known {
        const char *key, *what;
    };
    static constexpr Known kKnown[] = {
        {"rotate_layer", "a LoReFT intervention (rotate_layer): a map of the state, no direction"},
        {"source_representation",
         "an intervention of pyvene (source_representation); save that tensor alone, with torch.save"},
        {"projector1", "LM-Steer's projections (projector1, projector2): a map of the state, no direction"},
        {"A_", "a LinearTransport (A_, B_): a map of the state, no direction"},
        {"W_dec", "a sparse autoencoder; ask for one of its features by the name feature:NUMBER"},
        {"decoder.weight", "a sparse autoencoder; ask for one of its features by the name feature:NUMBER"},
    };
    for (const Known& known : kKnown)
        if (file.tree().find(dict, known.key) != nullptr)
            fail(STEER_ERR_UNSUPPORTED, "{}: holds {}", file.name(), known.what);
}

} // namespace steer
