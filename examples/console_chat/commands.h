// The /commands, as words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace chat {

enum class CommandKind { strength, gauge, layers, reset, save, load, help, quit, unknown };

struct Command {
    CommandKind kind;
    std::string name;               // as typed, without the slash
    std::vector<std::string> words; // behind it
    std::string rest;               // the same as one text: file names may have blanks
};

std::string_view trimmed(std::string_view text);
bool is_quit(std::string_view line);    // exit, quit, q, with or without a slash
bool is_command(std::string_view line); // begins with a slash
Command parse_command(std::string_view line);
std::vector<std::string> help_lines();

} // namespace chat
