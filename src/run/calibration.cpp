#include "run/calibration.h"

#include "files/error.h"
#include "files/quote.h"
#include "run/calibration_replies.h"
#include "run/calibration_texts.h"
#include "run/log.h"
#include "steer/recommend.h"

#include <algorithm>

namespace steer {
namespace {

constexpr float kTextsShare = 0.2f, kResponseShare = 0.6f; // of the progress that is told; replies take the rest

Calibration begin_calibration(const Model& model, int32_t dtype, const Vector& vector, const CalibrationOptions& options) {
    Calibration c;
    c.dtype = dtype;
    c.weights = model.weights_format();
    c.layer_begin = vector.layer_begin, c.layer_end = vector.layer_end;
    const bool all = options.layer_begin <= 0 && options.layer_end == INT32_MAX;
    c.band_begin = std::max(all && vector.best_begin >= 0 ? vector.best_begin : options.layer_begin, vector.layer_begin);
    c.band_end = std::min(all && vector.best_end >= 0 ? vector.best_end : options.layer_end, vector.layer_end);
    bool any = false;
    for (int32_t layer = c.band_begin; layer < c.band_end; layer++) any = any || vector.row(layer, STEER_ROWS_WRITE) != nullptr;
    if (!any)
        fail(STEER_ERR_ARG, "vector {} has no row in layers [{}, {}): its rows are in [{}, {})", quote(vector.name), c.band_begin,
             c.band_end, vector.layer_begin, vector.layer_end);
    return c;
}

// The vector with what is known by now.
VectorPtr with(const Vector& vector, const Model& model, const CalibrationOptions& options, Calibration calibration) {
    Vector draft = vector;
    if (!options.name.empty()) draft.name = options.name;
    draft.model_fingerprint = model.fingerprint();
    draft.best_begin = calibration.band_begin, draft.best_end = calibration.band_end;
    draft.strength_safe = calibration.safe_pass > 0.0f ? calibration.safe_pass : kUnknown;
    if (!calibration.strengths.empty()) draft.gauge_layer = recommend_dial_layer(calibration);
    draft.calibration = std::make_shared<const Calibration>(std::move(calibration));
    return finish_vector(std::move(draft), "steer_vector_calibrate");
}

void warn_of_what_does_not_part(const Vector& vector) {
    for (int32_t layer = vector.layer_begin; layer < vector.layer_end; layer++)
        if (vector.row(layer, STEER_ROWS_READ) != nullptr && std::isnan(vector.calibration->affine(layer, 0, 8).gain))
            log(STEER_LOG_WARN, "vector {}: neutral and persona text do not part at layer {}: a calibrated gauge there is NaN",
                quote(vector.name), layer);
}

} // namespace

VectorPtr calibrate_vector(std::shared_ptr<Model> model, const Vector& vector, const std::vector<ContrastPair>& pairs,
                           const CalibrationOptions& options, const Progress& progress) {
    Calibration calibration = begin_calibration(*model, model->memory().dtype, vector, options);
    const auto report = [&](float share) {
        if (progress && !progress(std::min(share, 1.0f))) fail(STEER_ERR_CANCELLED, "calibration was stopped by the progress callback");
    };
    const CalibrationTexts texts = encode_texts(*model, pairs);
    size_t done = 0;
    report(0.0f);
    const auto advance_to = [&](float begin, float end, size_t count) {
        done = 0;
        return [&report, &done, begin, end, count] { report(begin + (end - begin) * static_cast<float>(++done) / static_cast<float>(count)); };
    };
    measure_scales(*model, vector, texts, calibration, advance_to(0.0f, kTextsShare, 2 * pairs.size()));
    const VectorPtr scaled = with(vector, *model, options, calibration);
    measure_response(*model, scaled, texts, calibration, advance_to(kTextsShare, kResponseShare, response_text_count(texts)));
    const VectorPtr answered = with(vector, *model, options, calibration);
    measure_replies(model, answered, pairs, options.seed, calibration,
                    [&](float share) { report(kResponseShare + (1.0f - kResponseShare) * share); });
    report(1.0f);
    VectorPtr calibrated = with(vector, *model, options, std::move(calibration));
    warn_of_what_does_not_part(*calibrated);
    return calibrated;
}

} // namespace steer
