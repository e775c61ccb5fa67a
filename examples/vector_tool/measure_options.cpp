#include "measure_options.h"

#include <CLI/CLI.hpp>

#include <map>

namespace vector_tool {
namespace {

void add_speaking(CLI::App& command, SpeakSettings& settings, int32_t& together) {
    command.add_option("--tokens", settings.token_max, "most tokens of a reply")->check(CLI::PositiveNumber)->capture_default_str();
    command.add_option("--seed", settings.seed, "of the first talk; the next has the next")->check(CLI::PositiveNumber)->capture_default_str();
    command.add_option("--variables", settings.variables, "JSON object for the chat template, such as {\"enable_thinking\":false}");
    command.add_option("--together", together, "talks computed at a time: more need more memory")
        ->check(CLI::Range(1, 256))->capture_default_str();
}

void add_model(CLI::App& command, std::string& model, ModelPlace& place) {
    command.add_option("--model", model, "model folder, as from Hugging Face")->required();
    add_place(command, place);
}

} // namespace

void add_place(CLI::App& command, ModelPlace& place) {
    command.add_option("--device", place.device, "cpu or cuda:N; default: chosen");
    const std::map<std::string, int32_t> formats{{"as_stored", STEER_WEIGHTS_AS_STORED}, {"int8", STEER_WEIGHTS_INT8},
                                                 {"int4", STEER_WEIGHTS_INT4}, {"nf4", STEER_WEIGHTS_NF4}};
    command.add_option("--weights", place.weights, "pack the weights while they are loaded: less memory, other replies")
        ->transform(CLI::CheckedTransformer(formats))->default_str("as_stored");
}

CLI::App* add_mix(CLI::App& app, MixSettings& settings) {
    CLI::App* command = app.add_subcommand("mix", "write the weighted sum of vectors; show how they overlap");
    command->add_option("vectors", settings.vectors, "VECTOR or VECTOR=WEIGHT, two or more")->required()->expected(2, 64);
    add_model(*command, settings.model, settings.place);
    command->add_option("--out", settings.out, "file to write (.safetensors)")->required();
    const std::map<std::string, Orthogonal> methods{{"weighted", Orthogonal::no}, {"gram-schmidt", Orthogonal::gram_schmidt},
                                                    {"loewdin", Orthogonal::loewdin}};
    command->add_option("--method", settings.method, "make the rows of a layer orthogonal first: in the listed order, or all alike")
        ->transform(CLI::CheckedTransformer(methods))->default_str("weighted");
    command->add_flag("--interference", settings.interference, "run each and each two, and read the gauges of all; they must be calibrated");
    command->add_option("--prompts", settings.prompts, "for --interference: a prompt a line, or JSON lines with \"prompt\"");
    command->add_option("--csv", settings.csv, "file for all figures");
    add_speaking(*command, settings.speak, settings.together);
    return command;
}

CLI::App* add_drift(CLI::App& app, DriftSettings& settings) {
    CLI::App* command = app.add_subcommand("drift", "hold talks and see whether the persona stays, and how soon it goes");
    add_model(*command, settings.model, settings.place);
    command->add_option("--vector", settings.vector, "a calibrated vector")->required();
    command->add_option("--prompts", settings.prompts, "what the user says: a prompt a line, or JSON lines with \"prompt\"")->required();
    command->add_option("--strength", settings.strength, "of the persona")->required();
    const std::map<std::string, int32_t> units{{"relative", STEER_UNIT_RELATIVE}, {"raw", STEER_UNIT_RAW}};
    command->add_option("--unit", settings.unit, "of the strength")->transform(CLI::CheckedTransformer(units))->default_str("relative");
    command->add_option("--talks", settings.talks, "how many talks")->check(CLI::Range(1, 100000))->capture_default_str();
    command->add_option("--turns", settings.turns, "turns of a talk")->check(CLI::Range(2, 1000))->capture_default_str();
    command->add_option("--after", settings.after, "turns at strength 0 behind them")->check(CLI::Range(0, 1000))->capture_default_str();
    command->add_option("--contrary", settings.contrary, "what the user says in every second turn: asks against the persona");
    command->add_option("--csv", settings.csv, "file for the figures of every turn");
    add_speaking(*command, settings.speak, settings.together);
    return command;
}

} // namespace vector_tool
