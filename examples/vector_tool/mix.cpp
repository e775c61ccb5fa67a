#include "mix.h"

#include "interference.h"
#include "layer_rows.h"
#include "loading.h"
#include "mix_report.h"
#include "prompts.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace vector_tool {
namespace {

struct Ingredients {
    std::vector<std::string> files;
    std::vector<float> weights;
};

void add_ingredient(const std::string& words, Ingredients& to) {
    const size_t at = words.rfind('=');
    if (at == std::string::npos || std::filesystem::exists(words)) {
        to.files.push_back(words);
        to.weights.push_back(1.0f);
        return;
    }
    const std::string number = words.substr(at + 1);
    char* end = nullptr;
    const float weight = std::strtof(number.c_str(), &end);
    if (number.empty() || *end != '\0' || !std::isfinite(weight))
        throw std::runtime_error(words + ": what stands behind = is no weight, such as 0.5");
    to.files.push_back(words.substr(0, at));
    to.weights.push_back(weight);
}

LoadedVector combined(const std::vector<LoadedVector>& vectors, const std::vector<float>& weights) {
    std::vector<const steer_vector*> all;
    for (const LoadedVector& vector : vectors) all.push_back(vector.get());
    steer_vector* out = nullptr;
    steer_error error;
    throw_if(steer_vector_combine(all.data(), weights.data(), all.size(), 0.0f, &out, &error), error);
    return LoadedVector(out);
}

std::vector<LayerRows> orthogonal(std::vector<LayerRows> layers, Orthogonal method) {
    for (LayerRows& at : layers) {
        try {
            at.rows = made_orthogonal(at.rows, method);
        } catch (const std::exception& error) {
            throw std::runtime_error("layer " + std::to_string(at.layer) + ": " + error.what());
        }
    }
    return layers;
}

LoadedVector sum_of(const std::vector<LoadedVector>& vectors, const std::vector<float>& weights, const std::vector<LayerRows>& layers,
                    const steer_model* model) {
    std::vector<LoadedVector> changed;
    for (size_t i = 0; i < vectors.size(); i++) changed.push_back(with_rows(vectors[i], i, layers, model));
    return combined(changed, weights);
}

void check_for_interference(const Ingredients& from, const std::vector<LoadedVector>& vectors, const std::string& prompts) {
    if (prompts.empty()) throw std::runtime_error("--interference needs --prompts FILE");
    for (size_t i = 0; i < vectors.size(); i++) {
        const steer_vector_info info = info_of(vectors[i]);
        if (info.calibrated == 0) throw std::runtime_error(from.files[i] + ": is not calibrated, which --interference needs");
        if (!(info.strength_safe > 0.0f))
            throw std::runtime_error(from.files[i] + ": its calibration tells no safe strength above 0, of which --interference runs half");
    }
}

} // namespace

void mix(const MixSettings& settings) {
    Ingredients from;
    for (const std::string& words : settings.vectors) add_ingredient(words, from);
    std::shared_ptr<steer_model> model = open_model(settings.model);
    std::vector<LoadedVector> vectors;
    for (const std::string& file : from.files) vectors.push_back(load_file(file, {"", settings.model}));
    if (settings.interference) check_for_interference(from, vectors, settings.prompts);

    LoadedVector sum = combined(vectors, from.weights); // refuses what does not fit together
    MixReport report(from.files, from.weights, vectors);
    const std::vector<LayerRows> layers = rows_by_layer(vectors);
    report.cosines(layers);
    if (settings.method != Orthogonal::no) {
        const std::vector<LayerRows> changed = orthogonal(layers, settings.method);
        report.left(layers, changed);
        sum = sum_of(vectors, from.weights, changed, model.get());
    }
    if (settings.interference) {
        const std::vector<std::string> prompts = read_prompts(settings.prompts);
        model = load_model(settings.model, settings.place);
        report.interference(
            measure_interference(model.get(), vectors, prompts, settings.speak, static_cast<size_t>(settings.together)), prompts.size());
    }
    steer_error error;
    throw_if(steer_vector_save(sum.get(), settings.out.c_str(), STEER_FORMAT_NATIVE, &error), error);
    report.write(settings.csv);
    std::printf("written: %s\n", settings.out.c_str());
}

} // namespace vector_tool
