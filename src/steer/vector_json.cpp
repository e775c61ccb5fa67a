// Vectors in JSON: which kind is it? .svec is in vector_svec.cpp; here is EasySteer's payload for the wire:
//   {"version": 1, "kind": "direction", "tensors": {"layer.20": {"shape": [hidden], "data": base64 of f32}}, "extra":
//   {}}
// measured and pushed in at out(N).
#include "steer/vector_json.h"
#include "files/base64.h"
#include "files/error.h"
#include "files/quote.h"

#include <cstring>
#include <utility>

namespace steer {
namespace {

constexpr JsonLimits kLimits{.depth = 16, .values = size_t{4} << 20, .text_size = size_t{128} << 20};

std::vector<float> read_tensor(const Json& tensor, const std::string& where) {
    std::string bytes;
    if (!decode_base64(get_string(tensor, "data", where), bytes) || bytes.size() % sizeof(float) != 0)
        fail(STEER_ERR_FORMAT, "{}: \"data\" is no base64 of 32-bit floats", where);
    const Json& shape = get_array(tensor, "shape", where);
    uint64_t count = 1;
    for (const Json& dim : shape) {
        if (!dim.is_number_unsigned() || dim.get<uint64_t>() > kHiddenMax || count > kHiddenMax)
            fail(STEER_ERR_FORMAT, "{}: \"shape\" is {}", where, shape.dump());
        count *= dim.get<uint64_t>();
    }
    if (shape.empty() || shape[shape.size() - 1].get<uint64_t>() != count || count * sizeof(float) != bytes.size())
        fail(STEER_ERR_FORMAT, "{}: \"shape\" is not [hidden] of the {} numbers in \"data\"", where,
             bytes.size() / sizeof(float));
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

VectorPtr load_wire(const Json& json, const std::string& file, const VectorOptions& options) {
    const int64_t version = get_int(json, "version", file, 0, INT32_MAX);
    if (version != 1) fail(STEER_ERR_UNSUPPORTED, "{}: a payload of version {}, 1 is read", file, version);
    const std::string kind = get_string(json, "kind", file);
    if (kind != "direction")
        fail(STEER_ERR_UNSUPPORTED, "{}: a payload of kind {}, which is no direction of the stream", file, quote(kind));
    LayerRows rows;
    for (const auto& [name, tensor] : get_object(json, "tensors", file).items()) {
        int32_t layer = 0;
        if (name.compare(0, 6, "layer.") != 0 || !parse_layer(std::string_view(name).substr(6), layer))
            fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} is no layer.NUMBER", file, quote(name));
        rows[layer] = read_tensor(tensor, file + ": tensor " + quote(name));
    }
    Vector draft;
    draft.name = choose_name(options, file);
    set_rows(draft, std::move(rows), file);
    if (const Json* extra = find_field(json, "extra"); extra != nullptr && extra->is_object())
        for (const auto& [key, value] : extra->items())
            keep_metadata(draft, key, value.is_string() ? value.get<std::string>() : value.dump());
    set_sites(draft, kAtOutput, options, file);
    return finish_vector(std::move(draft), file, STEER_ERR_FORMAT);
}

} // namespace

VectorPtr load_json_vector(const ByteSource& source, const VectorOptions& options) {
    const std::string& file = source.name();
    if (source.size() > kLimits.text_size)
        fail(STEER_ERR_FORMAT, "{}: JSON of {} bytes, allowed are {}", file, source.size(), kLimits.text_size);
    const Json json = parse_json(source.read(0, static_cast<size_t>(source.size())), file, kLimits);
    if (find_field(json, "directions") != nullptr) return load_svec(json, file, options);
    if (find_field(json, "tensors") != nullptr) return load_wire(json, file, options);
    if (find_field(json, "layer_configs") != nullptr)
        fail(STEER_ERR_UNSUPPORTED, "{}: a JSON text of SteerMoE (layer_configs): choices of experts, no direction",
             file);
    fail(STEER_ERR_UNSUPPORTED,
         "{}: a JSON text, but no vector: neither .svec (\"directions\") nor EasySteer's payload (\"tensors\")", file);
}

} // namespace steer
