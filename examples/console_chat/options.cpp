#include "options.h"

#include <CLI/CLI.hpp>

#include "config.h"
#include "parse_values.h"

namespace chat {

namespace {

using Apply = std::function<void(const std::string&)>;

CLI::Option* text_option(CLI::App& app, const char* name, const char* words, const char* kind, Apply apply) {
    return app.add_option_function<std::string>(name, apply, words)->type_name(kind);
}

void describe(CLI::App& app, Options& o) {
    text_option(app, "--model", "Hugging Face folder or GGUF file of a Qwen2.5 or Qwen3 model [the demo model]", "FOLDER",
                [&](const std::string& text) { o.model = text; });
    text_option(app, "--vector", "persona vector, or 'none' [the newest beside the model that fits it]", "FILE",
                [&](const std::string& text) { o.vector = text; });
    text_option(app, "--strength", "how hard the persona is pushed; may be below zero [8]", "NUMBER",
                [&](const std::string& text) { o.strength = parse_number(text, "--strength"); });
    text_option(app, "--unit", "what strength counts in: raw, relative or gaps [raw]", "UNIT",
                [&](const std::string& text) { o.unit = parse_unit(text, "--unit"); });
    text_option(app, "--layers", "layers to push in, both ends included [the vector's best]", "A-B",
                [&](const std::string& text) { o.layers = parse_layer_range(text, "--layers"); });
    app.add_option_function<std::vector<std::string>>(
           "--visualize-layer",
           [&](const std::vector<std::string>& texts) {
               o.visualize_layers.clear();
               for (const auto& text : texts) o.visualize_layers.push_back(parse_whole(text, "--visualize-layer", 0));
           },
           "layer to put a gauge on; may be given several times [the lowest pushed]")
        ->type_name("LAYER")
        ->allow_extra_args(false);
    text_option(app, "--max-tokens", "longest reply [128]", "N",
                [&](const std::string& text) { o.max_tokens = parse_whole(text, "--max-tokens", 1); });
    text_option(app, "--config", "YAML file with these settings; the command line goes first", "FILE",
                [&](const std::string& text) { o.config = text; });
    text_option(app, "--device", "auto, cpu or cuda:N [auto]", "DEVICE",
                [&](const std::string& text) { o.device = parse_device(text, "--device"); });
    text_option(app, "--dtype", "auto, float32, bfloat16 or float16 [auto]", "TYPE",
                [&](const std::string& text) { o.dtype = parse_dtype(text, "--dtype"); });
    text_option(app, "--weights", "as_stored, or packed while they are loaded: int8, int4 or nf4 [as_stored]", "FORMAT",
                [&](const std::string& text) { o.weights = parse_weights(text, "--weights"); });
    app.add_flag("--allow-code", o.allow_code, "the model folder may hold TorchScript, which is code");
    text_option(app, "--temperature", "0 always takes the likeliest token [0.7]", "NUMBER",
                [&](const std::string& text) { o.temperature = parse_number_in(text, "--temperature", 0, 100); });
    text_option(app, "--top-p", "share of the probability that is sampled from [0.9]", "NUMBER",
                [&](const std::string& text) { o.top_p = parse_number_in(text, "--top-p", 0, 1); });
    text_option(app, "--seed", "same seed, same words; 0: a fresh one [0]", "N",
                [&](const std::string& text) { o.seed = parse_seed(text, "--seed"); });
    text_option(app, "--system", "system message [none]", "TEXT", [&](const std::string& text) { o.system = text; });
    text_option(app, "--once", "answer this and end", "TEXT", [&](const std::string& text) { o.once = text; });
    app.add_flag("--json", o.json, "with --once: one JSON object for each token, and one at the end");
}

} // namespace

const char* unit_name(int32_t unit) {
    return unit == STEER_UNIT_RELATIVE ? "relative" : unit == STEER_UNIT_GAPS ? "gaps" : "raw";
}

const char* weights_name(int32_t weights) {
    switch (weights) {
    case STEER_WEIGHTS_INT8:
        return "int8";
    case STEER_WEIGHTS_INT4:
        return "int4";
    case STEER_WEIGHTS_NF4:
        return "nf4";
    default:
        return "as_stored";
    }
}

Options read_options(int argc, const char* const* argv) {
    Options options;
    // Twice: the first pass finds --config, the second writes the command line over what the file said.
    for (const bool over_config : {false, true}) {
        Options read = over_config ? options : Options();
        CLI::App app("Talk to a persona that is pushed into a running model, with a gauge that follows it.",
                     "steer_chat");
        app.set_help_flag("-h,--help", "print this and end");
        describe(app, read);
        try {
            app.parse(argc, argv);
        } catch (const CLI::CallForHelp&) {
            options.help = true;
            options.help_text = app.help();
            return options;
        } catch (const CLI::ParseError& error) {
            throw UsageError(std::string(error.what()) + "; see --help");
        }
        if (over_config || read.config.empty()) {
            options = std::move(read);
            break;
        }
        options.config = read.config;
        read_config(read.config, options);
    }
    if (options.json && !options.once) throw UsageError("--json needs --once TEXT");
    if (options.once && options.once->empty()) throw UsageError("--once: the text is empty");
    if (options.top_p <= 0) throw UsageError("--top-p: 0 leaves nothing to choose from");
    return options;
}

} // namespace chat
