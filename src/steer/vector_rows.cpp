// From a file's numbers to the rows of a draft.
#include "files/error.h"
#include "files/json_value.h"
#include "files/utf8.h"
#include "steer/vector_io.h"

#include <algorithm>
#include <utility>

namespace steer {
namespace {

struct Numbering {
    int32_t first = 0;
    StoredSites sites;
    bool last_behind_norm = false;
};

// The n rows of a matrix: see set_matrix.
Numbering number_rows(int64_t n, MatrixRows kind, const VectorOptions& options, const std::string& where) {
    const Numbering outputs{0, kAtOutput, false}, inputs{0, kAtInput, true};
    if (kind == MatrixRows::outputs) return outputs;
    if (options.layer_begin > 0) return {options.layer_begin, {}, false};
    if (options.layer_count > 0) {
        if (n == options.layer_count) return outputs;
        if (n == options.layer_count + 1) return inputs;
        fail(STEER_ERR_MISMATCH,
             "{}: {} rows; the model has {} layers, which makes {} or {} rows: it was made for another model", where, n,
             options.layer_count, options.layer_count, options.layer_count + 1);
    }
    if (options.site_measured != STEER_SITE_FROM_FILE)
        return options.site_measured == STEER_SITE_INPUT ? inputs : outputs;
    return n % 2 == 0 ? outputs : inputs;
}

} // namespace

void set_rows(Vector& draft, LayerRows write, const std::string& where, LayerRows read) {
    int32_t first = kLayerMax, last = -1;
    for (const LayerRows* rows : {&write, &read})
        for (const auto& [layer, values] : *rows) {
            if (values.empty()) fail(STEER_ERR_FORMAT, "{}: the row of layer {} is empty", where, layer);
            first = std::min(first, layer), last = std::max(last, layer);
            if (draft.hidden_size == 0)
                draft.hidden_size = static_cast<int32_t>(std::min<size_t>(values.size(), INT32_MAX));
        }
    if (last < 0) fail(STEER_ERR_FORMAT, "{}: there is no row to push with", where);
    draft.layer_begin = first, draft.layer_end = last + 1;
    const auto place = [&](LayerRows& rows, std::vector<VectorRow>& out) {
        out.resize(static_cast<size_t>(last + 1 - first));
        for (auto& [layer, values] : rows) out[static_cast<size_t>(layer - first)].values = std::move(values);
    };
    place(write, draft.write);
    if (!read.empty()) place(read, draft.read);
}

void drop_zero_rows(LayerRows& rows) {
    std::erase_if(rows, [](const auto& row) {
        return !row.second.empty() &&
               std::all_of(row.second.begin(), row.second.end(), [](float value) { return value == 0.0f; });
    });
}

StoredSites set_matrix(Vector& draft, std::span<const float> values, std::span<const int64_t> shape, MatrixRows kind,
                       const VectorOptions& options, const std::string& where) {
    if (shape.empty() || shape.size() > 2)
        fail(STEER_ERR_UNSUPPORTED, "{}: an array of shape [{}]; [hidden] or [layers, hidden] is what can be a vector",
             where, fmt::join(shape, ", "));
    if (values.empty()) fail(STEER_ERR_FORMAT, "{}: an empty array", where);
    LayerRows rows;
    if (shape.size() == 1 || shape[0] == 1) {
        rows[options.layer_begin].assign(values.begin(), values.end());
        set_rows(draft, std::move(rows), where);
        return kind == MatrixRows::outputs ? kAtOutput : StoredSites{};
    }
    const Numbering numbering = number_rows(shape[0], kind, options, where);
    const int64_t count = shape[0] - (numbering.last_behind_norm ? 1 : 0), width = shape[1];
    if (numbering.first + count > kLayerMax)
        fail(STEER_ERR_FORMAT, "{}: {} rows from layer {} on, layers below {} are possible", where, count,
             numbering.first, kLayerMax);
    for (int64_t i = 0; i < count; ++i) {
        const auto row = values.subspan(static_cast<size_t>(i * width), static_cast<size_t>(width));
        rows[numbering.first + static_cast<int32_t>(i)].assign(row.begin(), row.end());
    }
    drop_zero_rows(rows);
    set_rows(draft, std::move(rows), where);
    return numbering.sites;
}

void keep_metadata(Vector& draft, std::string_view key, std::string_view value) {
    std::string name = replace_invalid_utf8(key);
    if (name.compare(0, 6, "steer.") != 0) draft.metadata[std::move(name)] = replace_invalid_utf8(value);
}

std::string metadata_to_json(const Vector& vector) {
    Json object = Json::object();
    for (const auto& [key, value] : vector.metadata) object[key] = value;
    return object.dump();
}

std::string name_from_path(const std::string& path) {
    std::string name = path.substr(path.find_last_of('/') + 1); // npos + 1 is 0
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0) name.erase(dot);
    return name;
}

std::string choose_name(const VectorOptions& options, const std::string& path) {
    return options.name.empty() ? name_from_path(path) : options.name;
}

} // namespace steer
