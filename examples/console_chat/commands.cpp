#include "commands.h"

#include <sstream>

namespace chat {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

bool is_quit(std::string_view line) {
    if (line.starts_with('/')) line.remove_prefix(1);
    return line == "exit" || line == "quit" || line == "q";
}

bool is_command(std::string_view line) { return line.starts_with('/'); }

Command parse_command(std::string_view line) {
    Command command{CommandKind::unknown, {}, {}, {}};
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    command.name = line.substr(1, end - 1);
    command.rest = trimmed(line.substr(end));
    std::istringstream in(command.rest);
    for (std::string word; in >> word;) command.words.push_back(word);

    constexpr std::pair<std::string_view, CommandKind> known[] = {
        {"strength", CommandKind::strength}, {"gauge", CommandKind::gauge}, {"layers", CommandKind::layers},
        {"reset", CommandKind::reset},       {"save", CommandKind::save},   {"load", CommandKind::load},
        {"help", CommandKind::help}};
    for (const auto& [name, kind] : known) {
        if (command.name == name) command.kind = kind;
    }
    if (is_quit(line)) command.kind = CommandKind::quit;
    return command;
}

std::vector<std::string> help_lines() {
    return {"/strength X [TOKENS]   push this hard, from the next token on or over so many tokens",
            "/gauge [own|raw]       what the gauges read; which reading the bars show",
            "/layers [A-B]          which layers there are; push in these",
            "/reset                 forget the conversation",
            "/save FILE, /load FILE the conversation and the persona's settings",
            "/help                  this",
            "exit, quit, q          leave; so does Ctrl-D",
            "Ctrl-C                 stop the reply; twice quickly: leave",
            "All of them work while a reply streams. Other text typed meanwhile is the next message."};
}

} // namespace chat
