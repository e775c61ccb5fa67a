// A calibration as text, as it stands in the metadata of a vector's file.
#pragma once

#include "steer/calibration.h"

#include <string>

namespace steer {

std::string calibration_to_json(const Calibration& calibration);

// where: for error words. STEER_ERR_FORMAT where it is not one, or not for these layers.
CalibrationPtr calibration_from_json(const std::string& text, int32_t layer_begin, int32_t layer_end, const std::string& where);

} // namespace steer
