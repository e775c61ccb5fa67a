#include "files/error.h"
#include "files/json.h"
#include "files/quote.h"
#include "steer/vector.h"

#include <algorithm>
#include <utility>

namespace steer {
namespace {

struct Part {
    const Vector* vector;
    float weight;
};

// Weight 0 is off: such a vector must fit, but lends no layers.
std::vector<Part> choose_parts(const std::vector<VectorPtr>& vectors, const std::vector<float>& weights) {
    std::vector<Part> parts;
    for (size_t i = 0; i < vectors.size(); ++i) {
        if (vectors[i] == nullptr) fail(STEER_ERR_ARG, "combine: vector {} is missing", i);
        if (!std::isfinite(weights[i])) fail(STEER_ERR_ARG, "combine: weight {} is not finite", i);
        if (weights[i] != 0.0f) parts.push_back({vectors[i].get(), weights[i]});
    }
    if (parts.empty()) fail(STEER_ERR_ARG, "combine: no vector with a weight other than 0");
    return parts;
}

void check_compatible(const Vector& a, const Vector& b) {
    const std::string both = quote(a.name) + " and " + quote(b.name);
    if (a.hidden_size != b.hidden_size)
        fail(STEER_ERR_MISMATCH, "combine: {} are {} and {} wide", both, a.hidden_size, b.hidden_size);
    if (a.site_measured != b.site_measured || a.site_applied != b.site_applied)
        fail(STEER_ERR_MISMATCH, "combine: {} were measured or are applied at different sites of a block", both);
    if (a.tied() && b.tied() && a.model_fingerprint != b.model_fingerprint)
        fail(STEER_ERR_MISMATCH, "combine: {} belong to different models, {:.16}... and {:.16}...", both,
             to_hex(a.model_fingerprint), to_hex(b.model_fingerprint));
}

// The length that a combined row gets; 0: the sum's own.
double wanted_length(float norm, const VectorRow& row, int32_t layer) {
    if (norm >= 0.0f) return norm;
    if (std::isnan(row.residual_norm))
        fail(STEER_ERR_ARG, "combine: a norm below 0 is a share of the stream's norm, which layer {} does not tell", layer);
    return -double{norm} * row.residual_norm;
}

// The residual norm belongs to the model, not to the row: the first that knows it is taken. A row that is another one,
// longer or shorter, keeps what was measured along it; all else is new and unknown.
VectorRow combine_row(const std::vector<Part>& parts, int32_t layer, int32_t rows, float norm, int32_t hidden_size) {
    std::vector<double> sum;
    VectorRow out;
    for (const Part& part : parts) {
        const VectorRow* row = part.vector->row(layer, rows);
        if (row == nullptr) continue;
        if (parts.size() == 1 && part.weight > 0.0f) out = *row;
        out.values.clear();
        sum.resize(static_cast<size_t>(hidden_size), 0.0);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += double{part.weight} * row->values[i];
        if (std::isnan(out.residual_norm)) out.residual_norm = row->residual_norm;
    }
    double square = 0.0;
    for (const double value : sum) square += value * value;
    if (!sum.empty() && square == 0.0) fail(STEER_ERR_ARG, "combine: the rows of layer {} cancel each other", layer);
    const double length = sum.empty() ? 0.0 : wanted_length(norm, out, layer);
    const double scale = length > 0.0 ? length / std::sqrt(square) : 1.0;
    for (const double value : sum) {
        if (!(std::abs(value * scale) <= double{std::numeric_limits<float>::max()}))
            fail(STEER_ERR_ARG, "combine: the row of layer {} is too long for float32: lower the weights", layer);
        out.values.push_back(static_cast<float>(value * scale));
    }
    return out;
}

std::string describe(const std::vector<Part>& parts) {
    Json list = Json::array();
    for (const Part& part : parts) {
        Json entry = Json::object();
        entry["name"] = part.vector->name;
        entry["fingerprint"] = to_hex(part.vector->fingerprint);
        entry["weight"] = double{part.weight};
        list.push_back(std::move(entry));
    }
    return list.dump();
}

} // namespace

VectorPtr combine_vectors(const std::vector<VectorPtr>& vectors, const std::vector<float>& weights, float norm) {
    if (vectors.size() != weights.size())
        fail(STEER_ERR_ARG, "combine: {} vectors, {} weights", vectors.size(), weights.size());
    if (!std::isfinite(norm)) fail(STEER_ERR_ARG, "combine: the norm is {}, a finite number is needed", norm);
    const std::vector<Part> parts = choose_parts(vectors, weights);
    for (size_t i = 0; i < vectors.size(); ++i)
        for (size_t j = 0; j < i; ++j) check_compatible(*vectors[j], *vectors[i]);

    const Vector& first = *parts[0].vector;
    Vector draft;
    draft.hidden_size = first.hidden_size;
    draft.site_measured = first.site_measured, draft.site_applied = first.site_applied;
    draft.layer_begin = first.layer_begin, draft.layer_end = first.layer_end;
    bool second_set = false;
    for (const Part& part : parts) {
        draft.layer_begin = std::min(draft.layer_begin, part.vector->layer_begin);
        draft.layer_end = std::max(draft.layer_end, part.vector->layer_end);
        second_set = second_set || !part.vector->read.empty();
        if (part.vector->tied()) draft.model_fingerprint = part.vector->model_fingerprint;
        if (draft.name.size() + part.vector->name.size() < 200)
            draft.name += (draft.name.empty() ? "" : "+") + part.vector->name;
    }
    for (int32_t layer = draft.layer_begin; layer < draft.layer_end; ++layer) {
        draft.write.push_back(combine_row(parts, layer, STEER_ROWS_WRITE, norm, draft.hidden_size));
        if (second_set) draft.read.push_back(combine_row(parts, layer, STEER_ROWS_READ, norm, draft.hidden_size));
    }
    if (parts.size() == 1 && parts[0].weight > 0.0f) { // the same vector, scaled
        draft.metadata = first.metadata;
        draft.best_begin = first.best_begin, draft.best_end = first.best_end, draft.gauge_layer = first.gauge_layer;
    } else {
        draft.metadata["method"] = "combine";
    }
    draft.metadata["combined"] = describe(parts);
    return finish_vector(std::move(draft), "combine");
}

} // namespace steer
