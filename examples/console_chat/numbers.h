// Numbers for people.
#pragma once

#include <cstdio>
#include <string>

namespace chat {

// 8, 12.5, -0.25: no trailing zeros.
inline std::string number_text(float value) {
    char text[48];
    std::snprintf(text, sizeof text, "%.6g", static_cast<double>(value));
    return text;
}

} // namespace chat
