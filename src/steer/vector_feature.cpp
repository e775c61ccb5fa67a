// A feature of a sparse autoencoder as a vector: its row of the decoder, W_dec or decoder.weight, as Qwen-Scope,
// SAELens and plain torch modules store it, [features, hidden] or [hidden, features]. Only that row is read: the matrix
// may be larger than memory.
#include "files/checked.h"
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace steer {
namespace {

using Kind = PickleNode::Kind;

constexpr const char* kDecoders[] = {"W_dec", "decoder.weight"};
constexpr const char* kBiases[] = {"b_dec", "decoder.bias"}; // of the hidden size
constexpr const char *kLayers[] = {"layer", "hook_layer"}, *kHooks[] = {"hook_name", "hook_point"},
                     *kConfigs[] = {"cfg", "config"};

struct Place { // what the file says of where the autoencoder reads
    std::optional<int64_t> layer;
    std::string hook;
};

struct Line { // of the decoder that is the feature's
    uint64_t hidden;
    bool row; // false: a column
};

// The hidden size is the model's, the bias's or, as an autoencoder has more features than that, the smaller side.
Line find_line(std::span<const int64_t> shape, const char* decoder, int64_t hidden, uint64_t feature,
               const std::string& file) {
    if (shape.size() != 2)
        fail(STEER_ERR_FORMAT, "{}: {} has the shape [{}], two dimensions are needed", file, decoder,
             fmt::join(shape, ", "));
    if (hidden == 0) hidden = std::min(shape[0], shape[1]);
    if (shape[0] != hidden && shape[1] != hidden)
        fail(STEER_ERR_MISMATCH,
             "{}: {} has the shape [{}], of which none is the hidden size of {}: it was made for another model", file,
             decoder, fmt::join(shape, ", "), hidden);
    if (hidden < 1 || hidden > kHiddenMax)
        fail(STEER_ERR_FORMAT, "{}: {} has the shape [{}]", file, decoder, fmt::join(shape, ", "));
    const bool both = shape[0] == shape[1];
    const bool row =
        both ? std::string_view(decoder) == kDecoders[0] : shape[1] == hidden; // torch.nn.Linear has columns
    const auto features = static_cast<uint64_t>(row ? shape[0] : shape[1]);
    if (feature >= features) fail(STEER_ERR_ARG, "{}: feature {} was asked for, it has {}", file, feature, features);
    return {static_cast<uint64_t>(hidden), row};
}

std::optional<int64_t> number_in(std::string_view text) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() ? std::optional(number) : std::nullopt;
}

// "blocks.20.hook_resid_post": after block 20; "..._pre": before it.
StoredSites sites_of(Place& place, const std::string& file) {
    const size_t block = place.hook.find("blocks.");
    if (!place.layer && block != place.hook.npos)
        place.layer = number_in(std::string_view(place.hook).substr(block + 7));
    if (place.hook.find("resid_pre") != place.hook.npos) return kAtInput;
    if (place.hook.find("resid_post") != place.hook.npos) return kAtOutput;
    for (const char* part : {"hook_mlp", "hook_attn", "hook_z"})
        if (place.hook.find(part) != place.hook.npos)
            fail(STEER_ERR_UNSUPPORTED, "{}: an autoencoder of {}, not of the residual stream", file,
                 quote(place.hook));
    return {};
}

VectorPtr make_vector(std::vector<float> values, Place place, uint64_t feature, const std::string& file,
                      const VectorOptions& options) {
    Vector draft;
    const StoredSites sites = sites_of(place, file);
    const int64_t layer = place.layer.value_or(options.layer_begin);
    if (layer < 0 || layer >= kLayerMax) fail(STEER_ERR_FORMAT, "{}: {} is no layer number", file, layer);
    if (options.layer_begin > 0 && layer != options.layer_begin)
        fail(STEER_ERR_ARG, "{}: is of layer {}, not of layer {}", file, layer, options.layer_begin);
    LayerRows rows;
    rows[static_cast<int32_t>(layer)] = std::move(values);
    set_rows(draft, std::move(rows), file);
    draft.name = fmt::format("{}:{}", name_from_path(file), feature);
    draft.metadata["method"] = "sparse autoencoder";
    draft.metadata["feature"] = std::to_string(feature);
    if (!place.hook.empty()) keep_metadata(draft, "hook_name", place.hook);
    set_sites(draft, sites, options, file);
    return finish_vector(std::move(draft), file, STEER_ERR_FORMAT);
}

// -- safetensors

Place place_of(const SafetensorsFile& file) {
    Place place;
    for (const char* key : kLayers)
        if (const auto at = file.metadata().find(key); at != file.metadata().end()) place.layer = number_in(at->second);
    for (const char* key : kHooks)
        if (const auto at = file.metadata().find(key); at != file.metadata().end()) place.hook = at->second;
    return place;
}

// -- torch

// In the dict itself or in its configuration.
const PickleNode* find_entry(const PickleTree& tree, const char* key, Kind kind) {
    const PickleNode& root = tree.at(tree.root);
    const PickleNode* found = tree.find(root, key);
    for (const char* inner : kConfigs)
        if (const PickleNode* dict = tree.find(root, inner); found == nullptr && dict != nullptr)
            found = tree.find(*dict, key);
    return found != nullptr && found->kind == kind ? found : nullptr;
}

Place place_of(const PickleTree& tree) {
    Place place;
    for (const char* key : kLayers)
        if (const PickleNode* node = find_entry(tree, key, Kind::integer)) place.layer = node->integer;
    for (const char* key : kHooks)
        if (const PickleNode* node = find_entry(tree, key, Kind::text)) place.hook = node->text;
    return place;
}

const PickleTensor* find_tensor(const PickleTree& tree, const char* key) {
    const PickleNode* node = tree.find(tree.at(tree.root), key);
    return node != nullptr && node->kind == Kind::tensor ? &tree.tensors[node->tensor] : nullptr;
}

[[noreturn]] void refuse(const std::string& file) {
    fail(STEER_ERR_UNSUPPORTED,
         "{}: a feature was asked for, but there is no decoder of a sparse autoencoder: W_dec or decoder.weight", file);
}

} // namespace

VectorPtr load_feature(const SafetensorsFile& file, uint64_t feature, const VectorOptions& options) {
    const TensorInfo* decoder = nullptr;
    for (const char* key : kDecoders)
        if (decoder == nullptr) decoder = file.find(key);
    if (decoder == nullptr) refuse(file.name());
    if (!dtype_is_float(decoder->dtype))
        fail(STEER_ERR_UNSUPPORTED, "{}: {} is {}; F64, F32, F16 or BF16 is needed", file.name(), decoder->name,
             dtype_name(decoder->dtype));
    int64_t hidden = options.hidden_size;
    for (const char* key : kBiases)
        if (const TensorInfo* bias = file.find(key); hidden == 0 && bias != nullptr && bias->shape.size() == 1)
            hidden = bias->shape[0];
    const Line line = find_line(decoder->shape, decoder->name.c_str(), hidden, feature, file.name());
    const size_t size = dtype_size(decoder->dtype);
    const uint64_t first = line.row ? feature * line.hidden : feature,
                   step = line.row ? 1 : static_cast<uint64_t>(decoder->shape[1]);
    std::vector<float> values(static_cast<size_t>(line.hidden));
    char element[8];
    for (size_t i = 0; i < values.size(); ++i) {
        file.read(*decoder, (first + i * step) * size, element, size);
        values[i] = to_float32(element, decoder->dtype);
    }
    return make_vector(std::move(values), place_of(file), feature, file.name(), options);
}

VectorPtr load_feature(TorchZip file, uint64_t feature, const VectorOptions& options) {
    const PickleTree& tree = file.tree();
    const PickleTensor* decoder = nullptr;
    const char* name = nullptr;
    for (const char* key : kDecoders)
        if (decoder == nullptr) decoder = find_tensor(tree, key), name = key;
    if (decoder == nullptr) refuse(file.name());
    int64_t hidden = options.hidden_size;
    for (const char* key : kBiases)
        if (const PickleTensor* bias = find_tensor(tree, key);
            hidden == 0 && bias != nullptr && bias->shape.size() == 1)
            hidden = bias->shape[0];
    const Line line = find_line(decoder->shape, name, hidden, feature, file.name());
    const size_t across = line.row ? 0 : 1;
    uint64_t first = 0;
    if (!checked_mul(feature, static_cast<uint64_t>(decoder->strides[across]), first) ||
        !checked_add(first, decoder->offset, first))
        fail(STEER_ERR_FORMAT, "{}: {} reaches outside its storage", file.name(), name);
    std::vector<float> values =
        file.read_elements(*decoder, first, static_cast<uint64_t>(decoder->strides[1 - across]), line.hidden);
    return make_vector(std::move(values), place_of(tree), feature, file.name(), options);
}

} // namespace steer
