// steer_vector: makes persona vectors (extract), measures them (calibrate, sweep, drift), mixes them (mix), changes their format
// (convert), and shows them (inspect).
#include "calibrate.h"
#include "convert.h"
#include "extract.h"
#include "inspect.h"
#include "measure_options.h"
#include "sweep.h"

#include "steer/steer.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

namespace {

using vector_tool::CalibrateSettings;
using vector_tool::ConvertSettings;
using vector_tool::ExtractSettings;
using vector_tool::InspectSettings;
using vector_tool::LoadSettings;
using vector_tool::SweepSettings;

void add_load_options(CLI::App& command, LoadSettings& settings) {
    const std::map<std::string, int32_t> sites{{"output", STEER_SITE_OUTPUT}, {"input", STEER_SITE_INPUT}};
    command.add_option("--name", settings.name, "which vector of several in the file; else what to call one without a name");
    command.add_option("--layer,--layer-begin", settings.layer_begin, "layer of the first row, for files that do not say")
        ->check(CLI::NonNegativeNumber);
    command.add_option("--measured", settings.measured, "input or output of a row's block, for files that do not say")
        ->transform(CLI::CheckedTransformer(sites));
    command.add_option("--site", settings.applied, "input or output of a row's block: where to push in; default: as the file means it")
        ->transform(CLI::CheckedTransformer(sites));
    command.add_option("--model", settings.model, "folder of the model it is for: another width or number of layers is refused");
}

struct ConvertWords { // as they are given
    std::vector<std::string> files;
    std::string sae;
    uint64_t feature = 0;
};

CLI::App* add_convert(CLI::App& app, ConvertSettings& settings, ConvertWords& words) {
    CLI::App* command = app.add_subcommand("convert", "write a vector in another format: convert IN OUT; with --sae: convert OUT");
    command->add_option("files", words.files, "IN OUT")->required()->expected(1, 2);
    const std::map<std::string, int32_t> formats{{"native", STEER_FORMAT_NATIVE}, {"gguf", STEER_FORMAT_GGUF},
                                                 {"torch", STEER_FORMAT_TORCH}, {"svec", STEER_FORMAT_SVEC}};
    command->add_option("--to", settings.format, "default: by the ending of OUT, .gguf, .pt or .svec; else native")
        ->transform(CLI::CheckedTransformer(formats));
    CLI::Option* sae = command->add_option("--sae", words.sae, "a sparse autoencoder (torch or safetensors) instead of IN");
    CLI::Option* feature = command->add_option("--feature", words.feature, "the feature whose direction it is");
    sae->needs(feature);
    feature->needs(sae);
    add_load_options(*command, settings.load);
    return command;
}

void read_convert(const ConvertWords& words, ConvertSettings& settings) {
    if (words.files.size() != (words.sae.empty() ? 2u : 1u))
        throw CLI::ValidationError("convert", words.sae.empty() ? "IN and OUT are needed" : "with --sae there is OUT alone");
    settings.in = words.sae.empty() ? words.files.front() : words.sae;
    settings.out = words.files.back();
    if (words.sae.empty()) return;
    if (!settings.load.name.empty()) throw CLI::ValidationError("--name", "a feature has its own name");
    settings.load.name = "feature:" + std::to_string(words.feature);
}

CLI::App* add_inspect(CLI::App& app, InspectSettings& settings) {
    CLI::App* command = app.add_subcommand("inspect", "show what a vector's file says");
    command->add_option("file", settings.file)->required();
    command->add_flag("--json", settings.json, "for programs");
    add_load_options(*command, settings.load);
    return command;
}

CLI::App* add_extract(CLI::App& app, ExtractSettings& settings, std::string& layers) {
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
    command->add_option("--resume", settings.resume, "file that keeps what was read: cut off, the same command goes on there; delete it afterwards");
    add_place(*command, settings.place);
    return command;
}

CLI::App* add_calibrate(CLI::App& app, CalibrateSettings& settings, std::string& layers) {
    CLI::App* command = app.add_subcommand("calibrate", "find how strong is safe, and what 0 and 1 of the gauge are: calibrate IN OUT");
    command->add_option("in", settings.in, "a vector")->required();
    command->add_option("out", settings.out, "the same, calibrated")->required();
    command->add_option("--model", settings.model, "model folder")->required();
    command->add_option("--pairs", settings.pairs, "as for extract; not those that the vector was made of, if you have others")->required();
    command->add_flag("--by-system", settings.by_system, "the pairs' two system prompts make the difference");
    command->add_option("--layers", layers, "layers A-B to push at; default: those that the vector recommends");
    command->add_option("--split", settings.split, "only lines whose \"split\" says this");
    command->add_option("--seed", settings.seed, "of the replies")->capture_default_str();
    add_place(*command, settings.place);
    return command;
}

CLI::App* add_sweep(CLI::App& app, SweepSettings& settings) {
    CLI::App* command = app.add_subcommand("sweep", "replies over a range of strengths, measured");
    command->add_option("vectors", settings.vectors, "calibrated vectors; of one persona on several bands of layers, to compare them")
        ->required()->expected(1, 8);
    command->add_option("--model", settings.model, "model folder")->required();
    command->add_option("--prompts", settings.prompts, "JSON lines with \"prompt\", or a prompt a line")->required();
    command->add_option("--markers", settings.markers, "words that give the persona away, one a line: style is the share of replies with one");
    command->add_option("--from", settings.from, "first strength, relative")->capture_default_str();
    command->add_option("--to", settings.to, "last strength; default: 1.5 times the safe maximum");
    command->add_option("--steps", settings.steps, "strengths")->capture_default_str()->check(CLI::PositiveNumber);
    command->add_option("--prompts-max", settings.prompt_max, "of the prompts, evenly spread")->capture_default_str()->check(CLI::PositiveNumber);
    command->add_option("--tokens", settings.token_max, "at most, of a reply")->capture_default_str()->check(CLI::PositiveNumber);
    command->add_option("--kl-budget", settings.kl_budget, "nats a token; default: none");
    command->add_option("--seed", settings.seed, "of the replies")->capture_default_str();
    command->add_option("--csv", settings.csv, "write the table here too");
    command->add_option("--picture", settings.picture, "draw it, as SVG");
    add_place(*command, settings.place);
    return command;
}

template<class Settings> void read_layers(const std::string& layers, Settings& settings) {
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
    CLI::App app("Makes persona vectors for libsteer, measures and mixes them, changes their format, shows them.", "steer_vector");
    app.require_subcommand(1);
    ExtractSettings settings;
    ConvertSettings convert_settings;
    ConvertWords convert_words;
    InspectSettings inspect_settings;
    CalibrateSettings calibrate_settings;
    SweepSettings sweep_settings;
    std::string layers, band;
    const CLI::App* extract = add_extract(app, settings, layers);
    const CLI::App* convert = add_convert(app, convert_settings, convert_words);
    const CLI::App* calibrate = add_calibrate(app, calibrate_settings, band);
    const CLI::App* sweep = add_sweep(app, sweep_settings);
    add_inspect(app, inspect_settings);
    vector_tool::MixSettings mix_settings;
    vector_tool::DriftSettings drift_settings;
    const CLI::App* mix = vector_tool::add_mix(app, mix_settings);
    const CLI::App* drift = vector_tool::add_drift(app, drift_settings);
    try {
        app.parse(argc, argv);
        read_layers(layers, settings);
        read_layers(band, calibrate_settings);
        if (*convert) read_convert(convert_words, convert_settings);
    } catch (const CLI::ParseError& error) {
        const int status = app.exit(error);
        return status == 0 ? 0 : 2;
    }
    try {
        if (*extract) vector_tool::extract(settings);
        else if (*convert) vector_tool::convert(convert_settings);
        else if (*calibrate) vector_tool::calibrate(calibrate_settings);
        else if (*sweep) vector_tool::sweep(sweep_settings);
        else if (*mix) vector_tool::mix(mix_settings);
        else if (*drift) vector_tool::drift(drift_settings);
        else vector_tool::inspect(inspect_settings);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "steer_vector: %s\n", error.what());
        return 1;
    }
    return 0;
}
