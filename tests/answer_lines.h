// Programs that tests and benches drive through a pipe: a JSON request on each line of standard input, its answer on each line of
// standard output.
#pragma once

#include <nlohmann/json.hpp>

#include <exception>
#include <iostream>
#include <string>

// answer(request) -> answer; what it throws becomes {"error": words}.
template<class Answer> void answer_lines(Answer answer) {
    for (std::string line; std::getline(std::cin, line);) {
        nlohmann::json told;
        try {
            told = answer(nlohmann::json::parse(line));
        } catch (const std::exception& error) {
            told = {{"error", error.what()}};
        }
        std::cout << told << std::endl;
    }
}
