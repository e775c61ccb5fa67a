// Units of strength: what a relative strength of 1, or one gap, is for each layer.
//
//   raw       push_k = s c_k v_k, c_k being the curve over layers
//   relative  push_k = r p_k rho_last / |sum p|,  p_k = c_k rho_k v_k/|v_k|: the whole push of the band, carried to its last
//             site, is r of the typical norm there, however many layers there are
//   gaps      the same direction, scaled so that its projection on the row at the last site is g times the distance between
//             the mean of neutral and the mean of persona text there
#pragma once

#include "steer/vector.h"

#include <span>
#include <vector>

namespace steer {

struct StrengthScale {
    std::vector<float> factors;        // [layer_end - layer_begin]: strength 1 pushes factors[i] times the write row
    float relative = kUnknown;         // the relative strength that 1 in this unit is
};

// unit: STEER_UNIT_RELATIVE or STEER_UNIT_GAPS. curve: a factor for each layer, or empty. The vector is calibrated, and layers
// [begin, end) are its band.
StrengthScale strength_scale(const Vector& vector, int32_t unit, int32_t begin, int32_t end, std::span<const float> curve);

} // namespace steer
