#include "config.h"

#include <functional>
#include <map>

#include <yaml-cpp/yaml.h>

#include "parse_values.h"

namespace chat {

namespace {

using Setter = std::function<void(const YAML::Node&, const std::string& what)>;

std::string scalar(const YAML::Node& node, const std::string& what) {
    if (!node.IsScalar()) throw UsageError(what + " must be one value");
    return node.Scalar();
}

std::vector<std::string> scalars(const YAML::Node& node, const std::string& what) {
    if (!node.IsSequence()) return {scalar(node, what)};
    std::vector<std::string> texts;
    for (const YAML::Node& item : node) texts.push_back(scalar(item, what));
    return texts;
}

std::map<std::string, Setter> setters(Options& o) {
    auto text = [](std::string& target) {
        return [&target](const YAML::Node& node, const std::string& what) { target = scalar(node, what); };
    };
    auto with = [](auto apply) {
        return [apply](const YAML::Node& node, const std::string& what) { apply(scalar(node, what), what); };
    };
    auto max_tokens = with([&o](const std::string& v, const std::string& w) { o.max_tokens = parse_whole(v, w, 1); });
    Setter layers_watched = [&o](const YAML::Node& node, const std::string& what) {
        o.visualize_layers.clear();
        for (const auto& v : scalars(node, what)) o.visualize_layers.push_back(parse_whole(v, what, 0));
    };
    return {
        {"model.path", text(o.model)},
        {"model.device", with([&o](const std::string& v, const std::string& w) { o.device = parse_device(v, w); })},
        {"model.dtype", with([&o](const std::string& v, const std::string& w) { o.dtype = parse_dtype(v, w); })},
        {"model.weights", with([&o](const std::string& v, const std::string& w) { o.weights = parse_weights(v, w); })},
        {"generation.temperature",
         with([&o](const std::string& v, const std::string& w) { o.temperature = parse_number_in(v, w, 0, 100); })},
        {"generation.top_p",
         with([&o](const std::string& v, const std::string& w) { o.top_p = parse_number_in(v, w, 0, 1); })},
        {"generation.max_new_tokens", max_tokens},
        {"generation.max_tokens", max_tokens},
        {"generation.seed", with([&o](const std::string& v, const std::string& w) { o.seed = parse_seed(v, w); })},
        {"generation.stop", [&o](const YAML::Node& node, const std::string& what) { o.stop = scalars(node, what); }},
        {"persona.vector", text(o.vector)},
        {"persona.strength",
         with([&o](const std::string& v, const std::string& w) { o.strength = parse_number(v, w); })},
        {"persona.unit", with([&o](const std::string& v, const std::string& w) { o.unit = parse_unit(v, w); })},
        {"persona.layers",
         with([&o](const std::string& v, const std::string& w) { o.layers = parse_layer_range(v, w); })},
        {"persona.visualize_layer", layers_watched},
        {"persona.system", with([&o](const std::string& v, const std::string&) { o.system = v; })},
    };
}

// model.quantization, vllm.*, output.* and others belong to the older tools that made data sets.
void read_map(const YAML::Node& map, const std::string& prefix, const std::map<std::string, Setter>& known,
              const std::string& path, std::string& unknown) {
    for (const auto& item : map) {
        if (!item.first.IsScalar()) throw UsageError(path + ": a key is not a word");
        const std::string key = prefix + item.first.Scalar();
        const auto setter = known.find(key);
        if (setter != known.end()) {
            if (!item.second.IsNull()) setter->second(item.second, path + ": " + key);
        } else if (item.second.IsMap() && prefix.empty()) {
            read_map(item.second, key + ".", known, path, unknown);
        } else {
            unknown += (unknown.empty() ? "" : ", ") + key;
        }
    }
}

} // namespace

void read_config(const std::string& path, Options& options) {
    try {
        const YAML::Node root = YAML::LoadFile(path);
        if (root.IsNull()) return;
        if (!root.IsMap()) throw UsageError(path + ": not a YAML map of settings");
        std::string unknown;
        read_map(root, "", setters(options), path, unknown);
        if (!unknown.empty()) options.warnings.push_back(path + ": not used by the chat: " + unknown);
    } catch (const YAML::BadFile&) {
        throw UsageError("--config: cannot read " + path);
    } catch (const YAML::Exception& error) {
        throw UsageError(path + ": " + error.what());
    }
}

} // namespace chat
