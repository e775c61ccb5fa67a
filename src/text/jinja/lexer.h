// Cuts a template into tokens as jinja2 does with trim_blocks and lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steer::jinja {

enum class TokenKind : uint8_t {
    Data,
    BlockBegin,
    BlockEnd,
    PrintBegin,
    PrintEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End
};

struct Token {
    TokenKind kind;
    int line;
    std::string text; // Data, String: as it is meant, escapes resolved; Operator: its characters
};

// name is for errors. STEER_ERR_FORMAT for what is not Jinja, STEER_ERR_UNSUPPORTED for what is, but rare.
std::vector<Token> tokenize(std::string_view source, const std::string& name);

} // namespace steer::jinja
