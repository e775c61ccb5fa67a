// The first half of a calibration: readings of given texts, unsteered and at some strengths.
#pragma once

#include "run/extraction.h"
#include "run/teacher_states.h"
#include "steer/calibration.h"

namespace steer {

struct CalibrationTexts {
    std::vector<ForcedText> neutral, persona;
};

// STEER_ERR_ARG where a passage has no reply.
CalibrationTexts encode_texts(const Model& model, const std::vector<ContrastPair>& pairs);

// rho, scales and gap of a calibration whose layers and band are set. advance is called after each text.
void measure_scales(Model& model, const Vector& vector, const CalibrationTexts& texts, Calibration& calibration,
                    const std::function<void()>& advance);

// strengths and the response at each; vector has the rho and the band already. advance is called after each text at each strength.
void measure_response(Model& model, VectorPtr vector, const CalibrationTexts& texts, Calibration& calibration,
                      const std::function<void()>& advance);

size_t response_text_count(const CalibrationTexts& texts); // times advance is called by measure_response

} // namespace steer
