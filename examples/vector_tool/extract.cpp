#include "extract.h"

#include "loaded.h"
#include "loading.h"

#include "steer/steer.h"

#include <cmath>
#include <cstdio>

namespace vector_tool {
namespace {

LoadedVector extracted(const LoadedModel& model, const std::vector<Pair>& pairs, const ExtractSettings& settings) {
    const std::vector<steer_contrast_pair> views = to_c(pairs);
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    options.layer_begin = settings.layer_begin;
    options.layer_end = settings.layer_end;
    options.method = settings.method;
    options.pooling = settings.pooling;
    options.holdout = settings.holdout;
    options.seed = settings.seed;
    options.name = settings.name.c_str();
    if (!settings.resume.empty()) options.resume_path = settings.resume.c_str();
    options.progress_fn = show_progress;
    options.progress_user = const_cast<char*>("reading");
    steer_vector* vector = nullptr;
    steer_error error;
    throw_if(steer_vector_extract(model.get(), views.data(), views.size(), &options, &vector, &error), error);
    return LoadedVector(vector);
}

LoadedVector scaled(const LoadedVector& vector, float norm) { // norm as steer_vector_combine has it
    const steer_vector* one = vector.get();
    const float weight = 1.0f;
    steer_vector* out = nullptr;
    steer_error error;
    throw_if(steer_vector_combine(&one, &weight, 1, norm, &out, &error), error);
    return LoadedVector(out);
}

steer_vector_layer layer_of(const steer_vector* vector, int32_t layer, int32_t rows) {
    steer_vector_layer row;
    steer_error error;
    throw_if(steer_vector_get_layer(vector, layer, rows, &row, sizeof row, &error), error);
    return row;
}

// What two halves of the pairs agree on, and so how near both together come to what all pairs there are would give.
float cosine_to_truth(float halves) { return std::sqrt(2.0f * halves / (1.0f + halves)); }

void print_rows(const steer_vector* vector, const steer_vector_info& info, int32_t rows) {
    std::printf("layer     norm   of stream   explained     AUC   AUC content   halves   to truth   neutral   persona\n");
    for (int32_t layer = info.layer_begin; layer < info.layer_end; layer++) {
        const steer_vector_layer row = layer_of(vector, layer, rows);
        if (row.row == nullptr) continue;
        std::printf("%5d %8.3f %11.4f %11.3f %7.3f %13.3f %8.3f %10.3f %9.3f %9.3f\n", layer, row.norm, row.norm / row.residual_norm,
                    row.explained_variance, row.auc, row.auc_content, row.split_half_cosine, cosine_to_truth(row.split_half_cosine),
                    row.neutral, row.persona);
    }
}

void print_report(const steer_vector* vector, size_t pair_count) {
    steer_vector_info info;
    steer_error error;
    throw_if(steer_vector_get_info(vector, &info, sizeof info, &error), error);
    std::printf("%s: %zu pairs, layers %d-%d\n", info.name, pair_count, info.layer_begin, info.layer_end - 1);
    if (info.best_begin >= 0) std::printf("push at layers %d-%d", info.best_begin, info.best_end - 1);
    else std::printf("where to push: not known");
    if (info.gauge_layer >= 0) std::printf(", read at layer %d\n", info.gauge_layer);
    else std::printf(", where to read: not known, nothing was held out\n");
    const int32_t first = info.layer_begin;
    const bool two_sets = layer_of(vector, first, STEER_ROWS_WRITE).row != layer_of(vector, first, STEER_ROWS_READ).row;
    if (two_sets) std::printf("rows to push with\n");
    print_rows(vector, info, STEER_ROWS_WRITE);
    if (!two_sets) return;
    std::printf("rows to read with\n");
    print_rows(vector, info, STEER_ROWS_READ);
}

} // namespace

void extract(const ExtractSettings& settings) {
    const std::vector<Pair> pairs = read_pairs(settings.pairs, settings.split, settings.by_system);
    const LoadedModel model = load_model(settings.model, settings.place);
    LoadedVector vector = extracted(model, pairs, settings);
    if (settings.relative > 0.0f) vector = scaled(vector, -settings.relative);
    else if (settings.norm > 0.0f) vector = scaled(vector, settings.norm);
    steer_error error;
    throw_if(steer_vector_save(vector.get(), settings.out.c_str(), STEER_FORMAT_NATIVE, &error), error);
    print_report(vector.get(), pairs.size());
    std::printf("written: %s\n", settings.out.c_str());
}

} // namespace vector_tool
