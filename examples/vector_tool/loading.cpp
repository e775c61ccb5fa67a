#include "loading.h"

#include "loaded.h"

#include <cstdio>
#include <unistd.h>

namespace vector_tool {

int32_t show_progress(void* what, float fraction) {
    if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r%s %3.0f %%%s", static_cast<const char*>(what), fraction * 100.0,
                                            fraction >= 1.0f ? "\n" : "");
    return 0;
}

steer_view view(const std::string& text) { return {text.empty() ? nullptr : text.data(), text.size()}; }

LoadedModel load_model(const std::string& folder, const ModelPlace& place) {
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    if (!place.device.empty()) options.device = place.device.c_str();
    options.weights = place.weights;
    options.progress_fn = show_progress;
    options.progress_user = const_cast<char*>("loading");
    steer_model* model = nullptr;
    steer_error error;
    throw_if(steer_model_load(folder.c_str(), &options, &model, &error), error);
    return LoadedModel(model);
}

std::vector<steer_contrast_pair> to_c(const std::vector<Pair>& pairs) {
    std::vector<steer_contrast_pair> views;
    for (const Pair& pair : pairs)
        views.push_back({{view(pair.system_positive), view(pair.prompt), view(pair.positive)},
                         {view(pair.system_negative), view(pair.prompt), view(pair.negative)}, pair.group_id});
    return views;
}

} // namespace vector_tool
