#include "calibrate.h"

#include "loading.h"

#include <cmath>
#include <cstdio>

namespace vector_tool {

void calibrate(const CalibrateSettings& settings) {
    const std::vector<Pair> pairs = read_pairs(settings.pairs, settings.split, settings.by_system);
    const LoadedModel model = load_model(settings.model, settings.place);
    const LoadedVector vector = load_file(settings.in, settings.load);
    const std::vector<steer_contrast_pair> views = to_c(pairs);
    steer_extract_options options;
    steer_extract_options_init(&options, sizeof options);
    options.layer_begin = settings.layer_begin;
    options.layer_end = settings.layer_end;
    options.seed = settings.seed;
    options.progress_fn = show_progress;
    options.progress_user = const_cast<char*>("calibrating");
    steer_vector* made = nullptr;
    steer_error error;
    throw_if(steer_vector_calibrate(model.get(), vector.get(), views.data(), views.size(), &options, &made, &error), error);
    const LoadedVector calibrated(made);
    throw_if(steer_vector_save(made, settings.out.c_str(), STEER_FORMAT_NATIVE, &error), error);
    const steer_vector_info info = info_of(calibrated);
    std::printf("%s: pushes at layers %d-%d, gauge at layer %d\n", info.name, info.best_begin, info.best_end - 1, info.gauge_layer);
    if (std::isnan(info.strength_safe)) std::printf("safe maximum: not known (no prompts in the pairs, or the first step already fails)\n");
    else std::printf("safe maximum: %.2f in unit relative\n", info.strength_safe);
    std::printf("written: %s\n", settings.out.c_str());
}

} // namespace vector_tool
