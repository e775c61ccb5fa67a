#include "loaded.h"

namespace vector_tool {

std::shared_ptr<steer_model> open_model(const std::string& folder) {
    if (folder.empty()) return nullptr;
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.residency = STEER_RESIDENCY_NONE;
    steer_model* model = nullptr;
    steer_error error;
    throw_if(steer_model_load(folder.c_str(), &options, &model, &error), error);
    return {model, steer_model_free};
}

LoadedVector load_file(const std::string& path, const LoadSettings& settings) {
    const auto model = open_model(settings.model);
    steer_vector_options options;
    steer_vector_options_init(&options, sizeof options);
    options.layer_begin = settings.layer_begin;
    options.site_measured = settings.measured;
    options.site_applied = settings.applied;
    options.model = model.get();
    if (!settings.name.empty()) options.name = settings.name.c_str();
    steer_vector* vector = nullptr;
    steer_error error;
    throw_if(steer_vector_load(path.c_str(), &options, &vector, &error), error);
    return LoadedVector(vector);
}

steer_vector_info info_of(const LoadedVector& vector) {
    steer_vector_info info;
    steer_error error;
    throw_if(steer_vector_get_info(vector.get(), &info, sizeof info, &error), error);
    return info;
}

std::string metadata_of(const LoadedVector& vector) {
    size_t size = 0;
    steer_error error;
    throw_if(steer_vector_get_metadata(vector.get(), nullptr, 0, &size, &error), error);
    std::string text(size, '\0');
    throw_if(steer_vector_get_metadata(vector.get(), text.data(), text.size(), &size, &error), error);
    return text;
}

std::string describe_sites(const steer_vector_info& info) {
    const bool in = info.site_measured == STEER_SITE_INPUT, to = info.site_applied == STEER_SITE_INPUT;
    std::string words = std::string("measured at the ") + (in ? "input" : "output") + " of a row's block, pushed in ";
    if (in == to) return words + "there";
    return words + (to ? "at its input, one block early" : "at its output, one block late");
}

} // namespace vector_tool
