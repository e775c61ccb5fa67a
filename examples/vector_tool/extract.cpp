#include "extract.h"

#include "pairs.h"

#include "steer/steer.h"

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace vector_tool {
namespace {

struct Free {
    void operator()(steer_model* model) const { steer_model_free(model); }
    void operator()(steer_vector* vector) const { steer_vector_free(vector); }
};
using Model = std::unique_ptr<steer_model, Free>;
using Vector = std::unique_ptr<steer_vector, Free>;

void check(steer_status status, const steer_error& error) {
    if (status != STEER_OK) throw std::runtime_error(error.message);
}

int32_t show_progress(void* what, float fraction) {
    if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r%s %3.0f %%%s", static_cast<const char*>(what), fraction * 100.0,
                                            fraction >= 1.0f ? "\n" : "");
    return 0;
}

steer_view view(const std::string& text) { return {text.empty() ? nullptr : text.data(), text.size()}; }

Model load(const ExtractSettings& settings) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    if (!settings.device.empty()) options.device = settings.device.c_str();
    options.progress_fn = show_progress;
    options.progress_user = const_cast<char*>("loading");
    steer_model* model = nullptr;
    steer_error error;
    check(steer_model_load(settings.model.c_str(), &options, &model, &error), error);
    return Model(model);
}

Vector mean_difference(const Model& model, const std::vector<Pair>& pairs, const ExtractSettings& settings) {
    std::vector<steer_contrast_pair> views;
    for (const Pair& pair : pairs)
        views.push_back({{view(pair.system_positive), view(pair.prompt), view(pair.positive)},
                         {view(pair.system_negative), view(pair.prompt), view(pair.negative)}, pair.group_id});
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    options.layer_begin = settings.layer_begin;
    options.layer_end = settings.layer_end;
    options.pooling = settings.pooling;
    options.holdout = settings.holdout;
    options.seed = settings.seed;
    options.name = settings.name.c_str();
    options.progress_fn = show_progress;
    options.progress_user = const_cast<char*>("reading");
    steer_vector* vector = nullptr;
    steer_error error;
    check(steer_vector_extract(model.get(), views.data(), views.size(), &options, &vector, &error), error);
    return Vector(vector);
}

Vector scaled(const Vector& vector, float norm) { // norm as steer_vector_combine has it
    const steer_vector* one = vector.get();
    const float weight = 1.0f;
    steer_vector* out = nullptr;
    steer_error error;
    check(steer_vector_combine(&one, &weight, 1, norm, &out, &error), error);
    return Vector(out);
}

void print_report(const steer_vector* vector, size_t pair_count) {
    steer_vector_info info;
    steer_error error;
    check(steer_vector_get_info(vector, &info, sizeof info, &error), error);
    std::printf("%s: %zu pairs, layers %d-%d, gauge layer %d\n", info.name, pair_count, info.layer_begin, info.layer_end - 1,
                info.gauge_layer);
    std::printf("layer     norm   stream norm   explained     AUC   split-half cosine   neutral   persona\n");
    for (int32_t layer = info.layer_begin; layer < info.layer_end; layer++) {
        steer_vector_layer row;
        check(steer_vector_get_layer(vector, layer, STEER_ROWS_WRITE, &row, sizeof row, &error), error);
        if (row.row == nullptr) continue;
        std::printf("%5d %8.3f %13.3f %11.3f %7.3f %19.3f %9.3f %9.3f\n", layer, row.norm, row.residual_norm,
                    row.explained_variance, row.auc, row.split_half_cosine, row.neutral, row.persona);
    }
}

} // namespace

void extract(const ExtractSettings& settings) {
    const std::vector<Pair> pairs = read_pairs(settings.pairs, settings.split, settings.by_system);
    const Model model = load(settings);
    Vector vector = mean_difference(model, pairs, settings);
    if (settings.relative > 0.0f) vector = scaled(vector, -settings.relative);
    else if (settings.norm > 0.0f) vector = scaled(vector, settings.norm);
    steer_error error;
    check(steer_vector_save(vector.get(), settings.out.c_str(), STEER_FORMAT_NATIVE, &error), error);
    print_report(vector.get(), pairs.size());
    std::printf("written: %s\n", settings.out.c_str());
}

} // namespace vector_tool
