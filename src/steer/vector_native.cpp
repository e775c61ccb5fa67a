// The native format: a safetensors file with tensors write.N and read.N (F32, [hidden size]) and metadata strings
//   steer.schema "1"             required; a later schema is refused
//   steer.name, steer.hidden_size, steer.layer_begin, steer.layer_end
//   steer.site_measured, steer.site_applied      "output" or "input" of the block a row is numbered by
//   steer.model_fingerprint      64 hex digits; absent: untied
//   steer.fingerprint            of the rows; checked
//   steer.best_begin, steer.best_end, steer.gauge_layer, steer.strength_safe    absent: unknown
//   steer.calibration            JSON, see calibration_json.h; absent: not calibrated
//   steer.stats                  JSON {"write": {"20": {"residual_norm": 31.5, "auc": 0.97, ...}}, "read": {...}}
// and any others, which are kept as they are. A figure that is unknown is absent, never 0.
// The other formats that this library writes carry the same metadata, and end in finish_native too.
#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "steer/calibration_json.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace steer {
namespace {

struct StatField {
    const char* key;
    float VectorRow::*value;
};

constexpr StatField kStats[] = {
    {"residual_norm", &VectorRow::residual_norm},
    {"explained_variance", &VectorRow::explained_variance},
    {"auc", &VectorRow::auc},
    {"auc_content", &VectorRow::auc_content},
    {"neutral", &VectorRow::neutral},
    {"persona", &VectorRow::persona},
    {"split_half_cosine", &VectorRow::split_half_cosine},
};

template<class T>
bool parse_number(std::string_view text, T& out) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
    return result.ec == std::errc() && result.ptr == text.data() + text.size() && !text.empty();
}

// Takes the metadata it knows out of a copy; what is left over is carried along.
class MetadataReader {
  public:
    MetadataReader(TextMap metadata, const std::string& file) : rest_(std::move(metadata)), file_(file) {}

    std::optional<std::string> text(const char* key) {
        const auto at = rest_.find(key);
        if (at == rest_.end()) return std::nullopt;
        std::string value = std::move(at->second);
        rest_.erase(at);
        return value;
    }

    template<class T>
    T number(const char* key, T absent) {
        const auto value = text(key);
        T number = absent;
        if (value && !parse_number(*value, number)) refuse(key, *value);
        return number;
    }

    int32_t site(const char* key) {
        const auto value = text(key);
        if (!value) return STEER_SITE_FROM_FILE;
        if (*value != "output" && *value != "input") refuse(key, *value);
        return *value == "input" ? STEER_SITE_INPUT : STEER_SITE_OUTPUT;
    }

    Digest digest(const char* key) {
        const auto value = text(key);
        Digest digest{};
        if (value && !from_hex(*value, digest)) refuse(key, *value);
        return digest;
    }

    TextMap rest() { return std::move(rest_); }

  private:
    [[noreturn]] void refuse(const char* key, const std::string& value) const {
        fail(STEER_ERR_FORMAT, "{}: metadata {} cannot be {}", file_, key, quote(value));
    }

    TextMap rest_;
    const std::string& file_;
};

void check_schema(MetadataReader& metadata, const std::string& file) {
    const auto schema = metadata.text("steer.schema");
    if (!schema)
        fail(STEER_ERR_UNSUPPORTED, "{}: a safetensors file, but no vector of libsteer: steer.schema is missing", file);
    if (*schema != "1")
        fail(STEER_ERR_UNSUPPORTED, "{}: written in schema {}, this library reads 1: update it", file, quote(*schema));
}

struct RowName {
    bool read;
    int32_t layer;
};

RowName parse_row_name(const TensorInfo& tensor, const std::string& file) {
    const std::string_view name = tensor.name;
    RowName row{name.substr(0, 5) == "read.", 0};
    const size_t prefix = row.read ? 5 : 6;
    if ((!row.read && name.substr(0, 6) != "write.") || !parse_layer(name.substr(prefix), row.layer))
        fail(STEER_ERR_UNSUPPORTED, "{}: tensor {} is neither write.LAYER nor read.LAYER", file, quote(name));
    if (tensor.dtype != Dtype::f32 || tensor.shape.size() != 1)
        fail(STEER_ERR_FORMAT, "{}: tensor {} is {} of shape [{}]; F32 of shape [hidden size] is needed", file,
             quote(name), dtype_name(tensor.dtype), fmt::join(tensor.shape, ", "));
    return row;
}

void read_rows(const SafetensorsFile& file, Vector& draft) {
    if (file.tensors().empty()) fail(STEER_ERR_FORMAT, "{}: no rows in the file", file.name());
    int32_t first = kLayerMax, last = 0;
    bool second_set = false;
    for (const TensorInfo& tensor : file.tensors()) {
        const RowName row = parse_row_name(tensor, file.name());
        first = std::min(first, row.layer), last = std::max(last, row.layer);
        second_set = second_set || row.read;
    }
    const auto layers = static_cast<size_t>(last - first + 1);
    draft.layer_begin = first, draft.layer_end = last + 1;
    draft.write.resize(layers);
    if (second_set) draft.read.resize(layers);
    draft.hidden_size = static_cast<int32_t>(std::min<int64_t>(file.tensors()[0].shape[0], INT32_MAX));
    for (const TensorInfo& tensor : file.tensors()) {
        const RowName row = parse_row_name(tensor, file.name());
        VectorRow& place = (row.read ? draft.read : draft.write)[static_cast<size_t>(row.layer - first)];
        place.values = file.read_floats(tensor);
        if (place.values.empty()) fail(STEER_ERR_FORMAT, "{}: tensor {} is empty", file.name(), quote(tensor.name));
    }
}

// What the metadata repeats must be what the rows say.
void check_repeated(MetadataReader& metadata, const Vector& draft, const std::string& file) {
    const auto check = [&](const char* key, int32_t rows_say) {
        const int32_t said = metadata.number<int32_t>(key, rows_say);
        if (said != rows_say)
            fail(STEER_ERR_FORMAT, "{}: metadata {} says {}, the rows say {}", file, key, said, rows_say);
    };
    check("steer.hidden_size", draft.hidden_size);
    check("steer.layer_begin", draft.layer_begin);
    check("steer.layer_end", draft.layer_end);
}

void read_row_stats(const Json& figures, VectorRow& row, const std::string& where) {
    if (!figures.is_object()) fail(STEER_ERR_FORMAT, "{}: is no object", where);
    for (const StatField& field : kStats) {
        const Json* value = find_field(figures, field.key);
        if (value == nullptr) continue;
        const double limit = std::numeric_limits<float>::max();
        row.*field.value = static_cast<float>(get_double(figures, field.key, where, -limit, limit));
    }
}

void read_stats(const std::string& text, Vector& draft, const std::string& file) {
    const std::string name = file + ": metadata steer.stats";
    const Json stats = parse_json(text, name, {.depth = 4, .values = 1u << 18, .text_size = 16u << 20});
    if (!stats.is_object()) fail(STEER_ERR_FORMAT, "{}: is no object", name);
    for (const char* set : {"write", "read"}) {
        const Json* layers = find_field(stats, set);
        if (layers == nullptr) continue;
        std::vector<VectorRow>& rows = set[0] == 'w' ? draft.write : draft.read;
        if (!layers->is_object()) fail(STEER_ERR_FORMAT, "{}: {} is no object", name, set);
        for (const auto& [key, figures] : layers->items()) {
            int32_t layer = 0;
            const bool known =
                parse_layer(key, layer) && layer >= draft.layer_begin && layer < draft.layer_end && !rows.empty();
            VectorRow* row = known ? &rows[static_cast<size_t>(layer - draft.layer_begin)] : nullptr;
            if (row == nullptr || !row->present())
                fail(STEER_ERR_FORMAT, "{}: {} tells of layer {}, which has no row", name, set, quote(key));
            read_row_stats(figures, *row, fmt::format("{}: {}.{}", name, set, key));
        }
    }
}

Json stats_to_json(const std::vector<VectorRow>& rows, int32_t layer_begin) {
    Json layers = Json::object();
    for (size_t i = 0; i < rows.size(); ++i) {
        Json figures = Json::object();
        for (const StatField& field : kStats)
            if (!std::isnan(rows[i].*field.value)) figures[field.key] = double{rows[i].*field.value};
        if (rows[i].present() && !figures.empty())
            layers[std::to_string(layer_begin + static_cast<int32_t>(i))] = std::move(figures);
    }
    return layers;
}

TextMap metadata_of(const Vector& v) {
    TextMap out = v.metadata;
    const auto site = [](int32_t s) { return s == STEER_SITE_INPUT ? "input" : "output"; };
    const auto optional = [&](const char* key, bool known, const std::string& value) {
        out.erase(key);
        if (known) out[key] = value;
    };
    out["steer.schema"] = std::string("1"); // a bare literal here makes g++ 12 warn of an overlap that is not there
    out["steer.name"] = v.name;
    out["steer.hidden_size"] = std::to_string(v.hidden_size);
    out["steer.layer_begin"] = std::to_string(v.layer_begin);
    out["steer.layer_end"] = std::to_string(v.layer_end);
    out["steer.site_measured"] = site(v.site_measured);
    out["steer.site_applied"] = site(v.site_applied);
    out["steer.fingerprint"] = to_hex(v.fingerprint);
    optional("steer.model_fingerprint", v.tied(), to_hex(v.model_fingerprint));
    optional("steer.best_begin", v.best_begin >= 0, std::to_string(v.best_begin));
    optional("steer.best_end", v.best_end >= 0, std::to_string(v.best_end));
    optional("steer.gauge_layer", v.gauge_layer >= 0, std::to_string(v.gauge_layer));
    optional("steer.strength_safe", !std::isnan(v.strength_safe), fmt::format("{}", v.strength_safe));
    optional("steer.calibration", v.calibration != nullptr, v.calibration ? calibration_to_json(*v.calibration) : "");
    Json stats = Json::object();
    stats["write"] = stats_to_json(v.write, v.layer_begin);
    if (!v.read.empty()) stats["read"] = stats_to_json(v.read, v.layer_begin);
    out["steer.stats"] = stats.dump();
    return out;
}

void add_tensors(const std::vector<VectorRow>& rows, const char* set, int32_t layer_begin,
                 std::vector<TensorBytes>& out) {
    for (size_t i = 0; i < rows.size(); ++i) {
        const std::vector<float>& values = rows[i].values;
        if (values.empty()) continue;
        out.push_back({fmt::format("{}.{}", set, layer_begin + static_cast<int32_t>(i)),
                       Dtype::f32,
                       {static_cast<int64_t>(values.size())},
                       {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}});
    }
}

} // namespace

bool parse_layer(std::string_view text, int32_t& layer) {
    const bool zeros = text.size() > 1 && text[0] == '0';
    return !zeros && parse_number(text, layer) && layer >= 0 && layer < kLayerMax;
}

TextMap native_metadata(const Vector& v) { return metadata_of(v); }

VectorPtr load_native_vector(const SafetensorsFile& file, const VectorOptions& options) {
    if (file.metadata().count("steer.schema") == 0) refuse_known_tensors(file);
    MetadataReader metadata(file.metadata(), file.name());
    check_schema(metadata, file.name()); // before anything else is said of a file that is no vector
    Vector draft;
    read_rows(file, draft);
    return finish_native(std::move(draft), file.metadata(), options, file.name());
}

VectorPtr finish_native(Vector draft, TextMap stored, const VectorOptions& options, const std::string& name) {
    MetadataReader metadata(std::move(stored), name);
    check_schema(metadata, name);
    check_repeated(metadata, draft, name);
    draft.name = metadata.text("steer.name").value_or(options.name.empty() ? name_from_path(name) : options.name);
    if (!options.name.empty() && draft.name != options.name)
        fail(STEER_ERR_ARG, "{}: holds the vector {}, not {}", name, quote(draft.name), quote(options.name));
    set_sites(draft, {metadata.site("steer.site_measured"), metadata.site("steer.site_applied")}, options, name);
    draft.model_fingerprint = metadata.digest("steer.model_fingerprint");
    draft.best_begin = metadata.number<int32_t>("steer.best_begin", -1);
    draft.best_end = metadata.number<int32_t>("steer.best_end", -1);
    draft.gauge_layer = metadata.number<int32_t>("steer.gauge_layer", -1);
    draft.strength_safe = metadata.number<float>("steer.strength_safe", kUnknown);
    if (const auto text = metadata.text("steer.calibration"))
        draft.calibration = calibration_from_json(*text, draft.layer_begin, draft.layer_end, name + ": metadata steer.calibration");
    if (const auto stats = metadata.text("steer.stats")) read_stats(*stats, draft, name);
    const Digest fingerprint = metadata.digest("steer.fingerprint");
    draft.metadata = metadata.rest();
    VectorPtr vector = finish_vector(std::move(draft), name, STEER_ERR_FORMAT);
    if (fingerprint != Digest{} && fingerprint != vector->fingerprint)
        fail(STEER_ERR_FORMAT, "{}: the rows are not those that steer.fingerprint stands for: they were changed", name);
    return vector;
}

std::string vector_to_native(const Vector& vector) {
    std::vector<TensorBytes> tensors;
    add_tensors(vector.write, "write", vector.layer_begin, tensors);
    add_tensors(vector.read, "read", vector.layer_begin, tensors);
    return write_safetensors(tensors, metadata_of(vector));
}

} // namespace steer
