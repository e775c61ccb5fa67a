#include "inspect.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>

namespace vector_tool {
namespace {

using Json = nlohmann::ordered_json;

struct Column {
    const char *name, *head;
    float steer_vector_layer::*value;
};

constexpr Column kColumns[] = {
    {"norm", "norm", &steer_vector_layer::norm},
    {"residual_norm", "stream norm", &steer_vector_layer::residual_norm},
    {"explained_variance", "explained", &steer_vector_layer::explained_variance},
    {"auc", "AUC", &steer_vector_layer::auc},
    {"auc_content", "AUC content", &steer_vector_layer::auc_content},
    {"split_half_cosine", "split-half", &steer_vector_layer::split_half_cosine},
    {"neutral", "neutral", &steer_vector_layer::neutral},
    {"persona", "persona", &steer_vector_layer::persona},
};

std::string hex(const uint8_t (&bytes)[32]) {
    std::string text;
    char two[3];
    for (const uint8_t byte : bytes) {
        std::snprintf(two, sizeof two, "%02x", byte);
        text += two;
    }
    return text;
}

bool tied(const steer_vector_info& info) { return hex(info.model_fingerprint) != std::string(64, '0'); }
Json figure(float value) { return std::isnan(value) ? Json(nullptr) : Json(value); }
const char* site_name(int32_t site) { return site == STEER_SITE_INPUT ? "input" : "output"; }

steer_vector_layer layer_of(const LoadedVector& vector, int32_t layer, int32_t rows) {
    steer_vector_layer out;
    steer_error error;
    throw_if(steer_vector_get_layer(vector.get(), layer, rows, &out, sizeof out, &error), error);
    return out;
}

bool has_read_rows(const LoadedVector& vector, const steer_vector_info& info) {
    for (int32_t layer = info.layer_begin; layer < info.layer_end; layer++)
        if (layer_of(vector, layer, STEER_ROWS_READ).row != layer_of(vector, layer, STEER_ROWS_WRITE).row) return true;
    return false;
}

// |v| as a share of the stream's norm at its site.
float relative_norm(const steer_vector_layer& row) { return row.norm / row.residual_norm; }

Json rows_as_json(const LoadedVector& vector, const steer_vector_info& info, int32_t rows) {
    Json list = Json::array();
    for (int32_t layer = info.layer_begin; layer < info.layer_end; layer++) {
        const steer_vector_layer row = layer_of(vector, layer, rows);
        if (row.row == nullptr) continue;
        Json entry{{"layer", layer}};
        for (const Column& column : kColumns) entry[column.name] = figure(row.*column.value);
        entry["relative_norm"] = figure(relative_norm(row));
        list.push_back(std::move(entry));
    }
    return list;
}

void print_json(const LoadedVector& vector, const steer_vector_info& info) {
    Json out{{"name", info.name},
             {"hidden_size", info.hidden_size},
             {"layer_begin", info.layer_begin},
             {"layer_end", info.layer_end},
             {"site_measured", site_name(info.site_measured)},
             {"site_applied", site_name(info.site_applied)},
             {"fingerprint", hex(info.fingerprint)},
             {"calibrated", info.calibrated != 0}};
    out["model_fingerprint"] = tied(info) ? Json(hex(info.model_fingerprint)) : Json(nullptr);
    const auto layer = [](int32_t value) { return value < 0 ? Json(nullptr) : Json(value); };
    out["best_begin"] = layer(info.best_begin);
    out["best_end"] = layer(info.best_end);
    out["gauge_layer"] = layer(info.gauge_layer);
    out["strength_safe"] = figure(info.strength_safe);
    out["write"] = rows_as_json(vector, info, STEER_ROWS_WRITE);
    out["read"] = has_read_rows(vector, info) ? rows_as_json(vector, info, STEER_ROWS_READ) : Json(nullptr);
    out["metadata"] = Json::parse(metadata_of(vector));
    std::printf("%s\n", out.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_figure(float value, size_t width) {
    if (std::isnan(value))
        std::printf("  %*s", static_cast<int>(width), "-");
    else
        std::printf("  %*.4g", static_cast<int>(width), static_cast<double>(value));
}

size_t width_of(const Column& column) { return std::max<size_t>(9, std::char_traits<char>::length(column.head)); }

void print_table(const LoadedVector& vector, const steer_vector_info& info, int32_t rows) {
    std::printf("layer  site");
    for (const Column& column : kColumns) std::printf("  %*s", static_cast<int>(width_of(column)), column.head);
    std::printf("  %9s\n", "|v|/rho");
    for (int32_t layer = info.layer_begin; layer < info.layer_end; layer++) {
        const steer_vector_layer row = layer_of(vector, layer, rows);
        if (row.row == nullptr) continue;
        std::printf("%5d  %4d", layer, layer - (info.site_applied == STEER_SITE_INPUT ? 1 : 0));
        for (const Column& column : kColumns) print_figure(row.*column.value, width_of(column));
        print_figure(relative_norm(row), 9);
        std::printf("\n");
    }
}

void print_words(const LoadedVector& vector, const steer_vector_info& info) {
    std::printf("%s: layers %d-%d, %d wide\n", info.name, info.layer_begin, info.layer_end - 1, info.hidden_size);
    std::printf("sites: %s\n", describe_sites(info).c_str());
    std::printf("rows: %s\n", hex(info.fingerprint).c_str());
    std::printf("model: %s\n", tied(info) ? hex(info.model_fingerprint).c_str() : "not said; any of that width");
    if (info.best_begin >= 0) std::printf("recommended: layers %d-%d\n", info.best_begin, info.best_end - 1);
    if (info.gauge_layer >= 0) std::printf("recommended: read at layer %d\n", info.gauge_layer);
    std::printf("calibrated: %s", info.calibrated != 0 ? "yes" : "no, raw strength and natural gauge values only");
    if (!std::isnan(info.strength_safe))
        std::printf(", safe up to %.3g relative", static_cast<double>(info.strength_safe));
    std::printf("\n\nsite: the block at whose output a row is pushed in; -1 is the embedding\n");
    print_table(vector, info, STEER_ROWS_WRITE);
    if (has_read_rows(vector, info)) {
        std::printf("\nrows to read with\n");
        print_table(vector, info, STEER_ROWS_READ);
    }
    const Json metadata = Json::parse(metadata_of(vector));
    if (!metadata.empty()) std::printf("\n");
    for (const auto& [key, value] : metadata.items())
        std::printf("%s: %s\n", Json(key).dump().c_str(),
                    value.dump().c_str()); // quoted: a terminal obeys nothing in it
}

} // namespace

void inspect(const InspectSettings& settings) {
    const LoadedVector vector = load_file(settings.file, settings.load);
    const steer_vector_info info = info_of(vector);
    settings.json ? print_json(vector, info) : print_words(vector, info);
}

} // namespace vector_tool
