#include "prompts.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <stdexcept>

namespace vector_tool {
namespace {

std::string prompt_of(const std::string& line) {
    if (line.front() != '{') return line;
    const auto object = nlohmann::json::parse(line);
    const auto found = object.find("prompt");
    if (found == object.end() || !found->is_string()) throw std::runtime_error("\"prompt\" is missing or no text");
    return found->get<std::string>();
}

} // namespace

std::vector<std::string> read_prompts(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    std::vector<std::string> prompts;
    std::string line;
    for (int number = 1; std::getline(file, line); number++) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (line.empty()) continue;
        try {
            prompts.push_back(prompt_of(line));
        } catch (const std::exception& error) {
            throw std::runtime_error(path + ": line " + std::to_string(number) + ": " + error.what());
        }
    }
    if (prompts.empty()) throw std::runtime_error(path + ": holds no prompts");
    return prompts;
}

} // namespace vector_tool
