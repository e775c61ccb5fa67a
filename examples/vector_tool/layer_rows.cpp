#include "layer_rows.h"

#include <algorithm>

namespace vector_tool {
namespace {

const float* row_of(const LoadedVector& vector, int32_t layer) {
    steer_vector_layer out;
    steer_error error;
    throw_if(steer_vector_get_layer(vector.get(), layer, STEER_ROWS_WRITE, &out, sizeof out, &error), error);
    return out.row;
}

bool tied(const steer_vector_info& info) {
    return std::any_of(std::begin(info.model_fingerprint), std::end(info.model_fingerprint), [](uint8_t byte) { return byte != 0; });
}

} // namespace

std::vector<LayerRows> rows_by_layer(const std::vector<LoadedVector>& vectors) {
    int32_t begin = INT32_MAX, end = 0;
    const int32_t width = info_of(vectors.front()).hidden_size;
    for (const LoadedVector& vector : vectors) {
        const steer_vector_info info = info_of(vector);
        begin = std::min(begin, info.layer_begin);
        end = std::max(end, info.layer_end);
    }
    std::vector<LayerRows> layers;
    for (int32_t layer = begin; layer < end; layer++) {
        LayerRows at{layer, {}, Rows(vectors.size(), width)};
        for (size_t i = 0; i < vectors.size(); i++) {
            const float* row = row_of(vectors[i], layer);
            if (row == nullptr) continue;
            at.rows.row(static_cast<Eigen::Index>(at.vectors.size())) = Eigen::Map<const Eigen::RowVectorXf>(row, width).cast<double>();
            at.vectors.push_back(i);
        }
        at.rows.conservativeResize(static_cast<Eigen::Index>(at.vectors.size()), width);
        if (!at.vectors.empty()) layers.push_back(std::move(at));
    }
    return layers;
}

// A row of zeros is none.
LoadedVector with_rows(const LoadedVector& like, size_t index, const std::vector<LayerRows>& layers, const steer_model* model) {
    const steer_vector_info info = info_of(like);
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows;
    rows.setZero(info.layer_end - info.layer_begin, info.hidden_size);
    for (const LayerRows& at : layers)
        for (size_t i = 0; i < at.vectors.size(); i++)
            if (at.vectors[i] == index)
                rows.row(at.layer - info.layer_begin) = at.rows.row(static_cast<Eigen::Index>(i)).cast<float>();
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.layer_begin = info.layer_begin;
    options.site_measured = info.site_measured;
    options.site_applied = info.site_applied;
    options.name = info.name;
    options.model = tied(info) ? model : nullptr;
    steer_vector* vector = nullptr;
    steer_error error;
    throw_if(steer_vector_create(rows.data(), static_cast<size_t>(rows.rows()), static_cast<size_t>(rows.cols()), &options, &vector, &error),
             error);
    return LoadedVector(vector);
}

} // namespace vector_tool
