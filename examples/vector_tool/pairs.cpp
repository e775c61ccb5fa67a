#include "pairs.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <stdexcept>

namespace vector_tool {
namespace {

std::string text(const nlohmann::json& object, const char* key, bool needed) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) {
        if (needed) throw std::runtime_error(std::string("\"") + key + "\" is missing");
        return {};
    }
    if (!found->is_string()) throw std::runtime_error(std::string("\"") + key + "\" must be a text");
    return found->get<std::string>();
}

} // namespace

std::vector<Pair> read_pairs(const std::string& path, const std::string& split, bool by_system) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    std::vector<Pair> pairs;
    std::map<std::string, uint64_t> groups;
    std::string line;
    for (int number = 1; std::getline(file, line); number++) {
        if (line.empty()) continue;
        try {
            const auto object = nlohmann::json::parse(line);
            if (!object.is_object()) throw std::runtime_error("must be an object");
            if (!split.empty() && text(object, "split", false) != split) continue;
            Pair pair;
            pair.group = text(object, "group", false);
            pair.prompt = text(object, "prompt", true);
            pair.system_positive = text(object, by_system ? "system_positive" : "system", by_system);
            pair.system_negative = text(object, by_system ? "system_negative" : "system", by_system);
            pair.positive = text(object, "positive", !by_system);
            pair.negative = text(object, "negative", !by_system);
            if (pair.group.empty()) pair.group = "line " + std::to_string(number);
            pair.group_id = groups.try_emplace(pair.group, groups.size() + 1).first->second;
            pairs.push_back(std::move(pair));
        } catch (const std::exception& error) {
            throw std::runtime_error(path + ": line " + std::to_string(number) + ": " + error.what());
        }
    }
    if (pairs.empty()) throw std::runtime_error(path + ": holds no pairs" + (split.empty() ? "" : " of split " + split));
    return pairs;
}

} // namespace vector_tool
