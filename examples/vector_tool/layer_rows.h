// The rows of several vectors, layer by layer.
#pragma once

#include "loaded.h"
#include "orthogonal.h"

#include <vector>

namespace vector_tool {

struct LayerRows {
    int32_t layer = 0;
    std::vector<size_t> vectors; // which of them have a row here
    Rows rows;                   // theirs, to push with
};

std::vector<LayerRows> rows_by_layer(const std::vector<LoadedVector>& vectors); // layers without any row left out

// A vector like that one, but with its rows of these layers; it belongs to the model where the other does.
LoadedVector with_rows(const LoadedVector& like, size_t index, const std::vector<LayerRows>& layers, const steer_model* model);

} // namespace vector_tool
