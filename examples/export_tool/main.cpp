// steer_export FOLDER OUT: writes a model folder whose decoder is a TorchScript archive, with a manifest of every file.
#include "steer/steer.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

namespace {

struct FreeModel {
    void operator()(steer_model* model) const { steer_model_free(model); }
};

int32_t show_progress(void*, float fraction) {
    if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r%3.0f %%%s", 100.0 * static_cast<double>(fraction), fraction >= 1 ? "\n" : "");
    return 0;
}

int fail(const steer_error& error) {
    std::fprintf(stderr, "steer_export: %s\n", error.message);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    std::string folder, out;
    bool allow_code = false;
    CLI::App app("Writes a model folder for libsteer: decoder as a TorchScript archive, weights as they are, a manifest of every file.",
                 "steer_export");
    app.add_option("FOLDER", folder, "model folder, as from Hugging Face")->required();
    app.add_option("OUT", out, "new or empty folder to write to; FOLDER itself: only the two new files")->required();
    app.add_flag("--allow-code", allow_code, "FOLDER holds an archive already, and you trust who made it");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }

    steer_error error{};
    steer_model_options options;
    steer_model_options_init(&options, sizeof options);
    options.residency = STEER_RESIDENCY_NONE; // no weights are read into memory
    options.flags = allow_code ? STEER_MODEL_ALLOW_CODE : 0u;
    steer_model* opened = nullptr;
    if (steer_model_load(folder.c_str(), &options, &opened, &error) != STEER_OK) return fail(error);
    const std::unique_ptr<steer_model, FreeModel> model(opened);
    if (steer_model_export(model.get(), out.c_str(), show_progress, nullptr, &error) != STEER_OK) return fail(error);
    std::fprintf(stderr, "steer_export: %s is ready; talk to it with: ./run chat --model %s --allow-code\n", out.c_str(), out.c_str());
    return 0;
}
