#include "steer/strength.h"

#include "files/error.h"
#include "files/quote.h"

namespace steer {
namespace {

struct Band {
    std::vector<float> factors; // of each layer's row: c_k rho_k / |v_k|
    std::vector<double> sum;    // of all pushes
    const VectorRow* last = nullptr;
    float last_rho = 0.0f;
};

Band carry(const Vector& vector, int32_t begin, int32_t end, std::span<const float> curve) {
    Band band;
    band.sum.resize(static_cast<size_t>(vector.hidden_size));
    for (int32_t layer = begin; layer < end; layer++) {
        float& factor = band.factors.emplace_back(0.0f);
        const VectorRow* row = vector.row(layer, STEER_ROWS_WRITE);
        if (row == nullptr) continue;
        band.last = row;
        band.last_rho = vector.calibration->rho[static_cast<size_t>(layer - vector.layer_begin)];
        const float c = curve.empty() ? 1.0f : curve[static_cast<size_t>(layer - begin)];
        factor = c * band.last_rho / row->norm;
        for (size_t i = 0; i < band.sum.size(); i++) band.sum[i] += double{factor} * double{row->values[i]};
    }
    return band;
}

double dot(const std::vector<double>& a, const std::vector<float>& b) {
    double sum = 0.0;
    for (size_t i = 0; i < b.size(); i++) sum += a[i] * double{b[i]};
    return sum;
}

} // namespace

StrengthScale strength_scale(const Vector& vector, int32_t unit, int32_t begin, int32_t end, std::span<const float> curve) {
    Band band = carry(vector, begin, end, curve);
    double length = 0.0;
    for (const double component : band.sum) length += component * component;
    length = std::sqrt(length);
    if (band.last == nullptr || !(length > 0.0) || !std::isfinite(length))
        fail(STEER_ERR_ARG, "vector {}: the pushes of layers [{}, {}) cancel out or are none, so a share of them is no strength",
             quote(vector.name), begin, end);
    double factor = double{band.last_rho} / length;
    StrengthScale scale{std::move(band.factors), 1.0f};
    if (unit == STEER_UNIT_GAPS) {
        const double along = dot(band.sum, band.last->values) / double{band.last->norm}; // of the whole push, on the last row
        const double gap = double{vector.calibration->gap};
        if (!(gap > 0.0) || !(along > 0.0))
            fail(STEER_ERR_UNSUPPORTED, "vector {}: neutral and persona text do not part at layer {}, so there are no gaps to "
                                        "count: use unit RELATIVE", quote(vector.name), end - 1);
        scale.relative = static_cast<float>(gap / along / factor);
        factor = gap / along;
    }
    for (float& one : scale.factors) one = static_cast<float>(double{one} * factor);
    return scale;
}

} // namespace steer
