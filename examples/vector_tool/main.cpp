// steer_vector: makes persona vectors. Today it has one command, extract.
#include "extract.h"

#include "steer/steer.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <map>

namespace {

using vector_tool::ExtractSettings;

void add_extract(CLI::App& app, ExtractSettings& settings, std::string& layers) {
    CLI::App* command = app.add_subcommand("extract", "make a vector from contrast pairs");
    command->add_option("--model", settings.model, "model folder, as from Hugging Face")->required();
    command->add_option("--pairs", settings.pairs, "JSON lines with prompt, positive, negative; group and system if you have them")
        ->required();
    command->add_option("--out", settings.out, "file to write (.safetensors)")->required();
    command->add_option("--name", settings.name, "name of the persona")->capture_default_str();
    command->add_option("--layers", layers, "A-B, both included; default: all");
    const std::map<std::string, int32_t> methods{{"mean-difference", STEER_METHOD_MEAN_DIFFERENCE}, {"pca-centred", STEER_METHOD_PCA_CENTRED},
                                                 {"pca-uncentred", STEER_METHOD_PCA_UNCENTRED}, {"pca-pairs", STEER_METHOD_PCA_PAIRS},
                                                 {"probe", STEER_METHOD_PROBE}};
    command->add_option("--method", settings.method, "how the rows are made of the states")
        ->transform(CLI::CheckedTransformer(methods))->default_str("mean-difference");
    const std::map<std::string, int32_t> poolings{{"reply", STEER_POOL_REPLY_MEAN}, {"user", STEER_POOL_USER_MEAN},
                                                  {"prompt-last", STEER_POOL_PROMPT_LAST}, {"reply-last", STEER_POOL_REPLY_LAST},
                                                  {"last", STEER_POOL_LAST}, {"shared-tokens", STEER_POOL_SHARED_TOKENS}};
    command->add_option("--pooling", settings.pooling, "which states of a text are averaged")
        ->transform(CLI::CheckedTransformer(poolings))->default_str("reply");
    command->add_flag("--by-system", settings.by_system, "system_positive and system_negative make the difference; replies are needed only if they are pooled");
    CLI::Option* norm = command->add_option("--norm", settings.norm, "scale every row to this length; default: the difference's own");
    command->add_option("--relative", settings.relative, "scale every row to this share of the stream's norm at its layer, so that "
                                                         "the slider has handy numbers")->excludes(norm);
    command->add_option("--holdout", settings.holdout, "share of the groups kept for the report")->capture_default_str();
    command->add_option("--split", settings.split, "only lines whose \"split\" says this");
    command->add_option("--seed", settings.seed, "of the held-out groups")->capture_default_str();
    command->add_option("--device", settings.device, "cpu or cuda:N; default: chosen");
}

void read_layers(const std::string& layers, ExtractSettings& settings) {
    if (layers.empty()) return;
    int first = 0, last = 0, used = 0;
    if (std::sscanf(layers.c_str(), "%d-%d%n", &first, &last, &used) != 2 || static_cast<size_t>(used) != layers.size() ||
        first < 0 || last < first)
        throw CLI::ValidationError("--layers", "must be A-B with 0 <= A <= B");
    settings.layer_begin = first;
    settings.layer_end = last + 1;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Makes persona vectors for libsteer.", "steer_vector");
    app.require_subcommand(1);
    ExtractSettings settings;
    std::string layers;
    add_extract(app, settings, layers);
    try {
        app.parse(argc, argv);
        read_layers(layers, settings);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : 2;
    }
    try {
        vector_tool::extract(settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "steer_vector: %s\n", error.what());
        return 1;
    }
    return 0;
}
