// A file of comma separated figures.
#pragma once

#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace vector_tool {

inline std::string cell(double value) { // empty: unknown
    char text[32] = "";
    if (!std::isnan(value)) std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

// The whole file at once; an empty path writes nothing.
inline void write_csv(const std::string& path, const std::vector<std::vector<std::string>>& rows) {
    if (path.empty()) return;
    std::ofstream file(path, std::ios::binary);
    for (const auto& row : rows)
        for (size_t i = 0; i < row.size(); i++) file << row[i] << (i + 1 < row.size() ? "," : "\n");
    file.flush();
    if (!file) throw std::runtime_error(path + ": cannot be written");
}

} // namespace vector_tool
