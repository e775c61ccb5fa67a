// .svec, directions as JSON lists:
//   1 (CAST)        {"model_type": str, "directions": {"20": [..]}, "explained_variances": {"20": x}}; key L was
//   measured at the
//                   output of block L and is pushed in at its input, one block early
//   2 (AISteer360)  {"20": [[..]]}, K lists per layer, of heads too; where it is measured and pushed in is not in the
//   file. One
//                   list and no heads make a direction of the stream, everything else does not
// Which of the two: how deep the lists are nested. Written is the first, with all of a native file beside it under
// "steer".
#include "files/error.h"
#include "files/quote.h"
#include "steer/vector_json.h"

#include <utility>

namespace steer {
namespace {

constexpr const char* kOwn = "steer";

int32_t layer_of(const std::string& key, const std::string& where) {
    int32_t layer = 0;
    if (!parse_layer(key, layer)) fail(STEER_ERR_FORMAT, "{}: {} is no layer number", where, quote(key));
    return layer;
}

std::vector<float> read_numbers(const Json& list, const std::string& where) {
    std::vector<float> values;
    values.reserve(list.size());
    for (const Json& number : list) {
        if (!number.is_number()) fail(STEER_ERR_FORMAT, "{}: {} where a number should be", where, number.type_name());
        const double value = number.get<double>();
        if (!(std::abs(value) <= double{std::numeric_limits<float>::max()}))
            fail(STEER_ERR_FORMAT, "{}: a number is too large for float32", where);
        values.push_back(static_cast<float>(value));
    }
    return values;
}

// The one list of numbers; nested: it is wrapped in another.
const Json& plain_list(const Json& value, bool& nested, const std::string& where) {
    if (!value.is_array()) fail(STEER_ERR_FORMAT, "{}: {} where a list of numbers should be", where, value.type_name());
    nested = !value.empty() && value.front().is_array();
    if (nested && value.size() > 1)
        fail(STEER_ERR_UNSUPPORTED, "{}: {} directions for one layer; a vector has one", where, value.size());
    return nested ? value.front() : value;
}

LayerRows read_lists(const Json& directions, const std::string& where, bool& any_nested) {
    LayerRows rows;
    for (const auto& [key, value] : directions.items()) {
        const std::string place = fmt::format("{}: {}", where, quote(key));
        bool nested = false;
        rows[layer_of(key, where)] = read_numbers(plain_list(value, nested, place), place);
        any_nested = any_nested || nested;
    }
    return rows;
}

void refuse_heads(const Json& json, const std::string& file) {
    for (const char* key : {"num_heads", "head_dim"})
        if (const Json* value = find_field(json, key); value != nullptr && !value->is_null())
            fail(STEER_ERR_UNSUPPORTED, "{}: directions of attention heads (\"{}\"), not of the residual stream", file,
                 key);
}

void read_variances(const Json& json, Vector& draft, const std::string& file) {
    const Json* variances = find_field(json, "explained_variances");
    if (variances == nullptr || !variances->is_object()) return;
    for (const auto& [key, value] : variances->items()) {
        int32_t layer = 0;
        const Json& number = value.is_array() && value.size() == 1 ? value.front() : value;
        if (!number.is_number() || !parse_layer(key, layer) || layer < draft.layer_begin || layer >= draft.layer_end)
            continue;
        VectorRow& row = draft.write[static_cast<size_t>(layer - draft.layer_begin)];
        if (row.present())
            row.explained_variance = read_numbers(Json::array_t{number}, file + ": \"explained_variances\"")[0];
    }
}

// -- written here: all that a native file says

TextMap read_metadata(const Json& own, const std::string& where) {
    TextMap metadata;
    for (const auto& [key, value] : get_object(own, "metadata", where).items()) {
        if (!value.is_string()) fail(STEER_ERR_FORMAT, "{}: \"metadata\": {} must be a string", where, quote(key));
        metadata[key] = value.get<std::string>();
    }
    return metadata;
}

VectorPtr finish_own(const Json& json, LayerRows keyed, const std::string& file, const VectorOptions& options) {
    const std::string where = file + ": \"steer\"";
    const Json& own = get_object(json, kOwn, file);
    TextMap metadata = read_metadata(own, where);
    const auto applied = metadata.find("steer.site_applied");
    const int32_t by =
        applied != metadata.end() && applied->second == "input" ? 0 : -1; // a key is where CAST pushes in
    LayerRows rows, read;
    for (auto& [key, values] : keyed) {
        if (key + by < 0) fail(STEER_ERR_FORMAT, "{}: {} would be the row of layer {}", file, key, key + by);
        rows.emplace(key + by, std::move(values));
    }
    bool nested = false;
    if (find_field(own, "read") != nullptr) read = read_lists(get_object(own, "read", where), where, nested);
    Vector draft;
    set_rows(draft, std::move(rows), file, std::move(read));
    return finish_native(std::move(draft), std::move(metadata), options, file);
}

Json to_list(const std::vector<float>& values) {
    Json::array_t list;
    list.reserve(values.size());
    for (const float value : values) list.emplace_back(double{value}); // its shortest text reads back as the same float
    return Json(std::move(list));
}

} // namespace

VectorPtr load_svec(const Json& json, const std::string& file, const VectorOptions& options) {
    refuse_heads(json, file);
    bool nested = false;
    LayerRows rows = read_lists(get_object(json, "directions", file), file + ": \"directions\"", nested);
    if (!nested && find_field(json, kOwn) != nullptr) return finish_own(json, std::move(rows), file, options);
    Vector draft;
    draft.name = choose_name(options, file);
    set_rows(draft, std::move(rows), file);
    read_variances(json, draft, file);
    for (const char* key : {"model_type", "probe_accuracies"})
        if (const Json* value = find_field(json, key); value != nullptr && !value->is_null())
            keep_metadata(draft, key, value->is_string() ? value->get<std::string>() : value->dump());
    set_sites(draft, nested ? StoredSites{} : StoredSites{STEER_SITE_OUTPUT, STEER_SITE_INPUT}, options, file);
    return finish_vector(std::move(draft), file, STEER_ERR_FORMAT);
}

std::string vector_to_svec(const Vector& vector) {
    Json directions = Json::object(), variances = Json::object(), read = Json::object();
    for (int32_t layer = vector.layer_begin; layer < vector.layer_end; ++layer) {
        const auto index = static_cast<size_t>(layer - vector.layer_begin);
        const VectorRow& row = vector.write[index];
        const std::string key = std::to_string(key_of(vector, layer));
        if (row.present()) directions[key] = to_list(row.values);
        if (row.present() && !std::isnan(row.explained_variance)) variances[key] = double{row.explained_variance};
        if (!vector.read.empty() && vector.read[index].present())
            read[std::to_string(layer)] = to_list(vector.read[index].values);
    }
    const TextMap stored = native_metadata(vector);
    Json metadata = Json::object();
    for (const auto& [key, value] : stored) metadata[key] = value;
    const auto type = stored.find("model_type");
    Json json = Json::object();
    json["model_type"] = type == stored.end() ? std::string("unknown") : type->second;
    json["directions"] = std::move(directions);
    json["explained_variances"] = std::move(variances);
    json[kOwn]["metadata"] = std::move(metadata);
    if (!read.empty()) json[kOwn]["read"] = std::move(read);
    return json.dump(-1, /*strict=*/true);
}

} // namespace steer
