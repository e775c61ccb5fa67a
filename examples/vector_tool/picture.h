// Lines over a common axis, as an SVG file.
#pragma once

#include <string>
#include <vector>

namespace vector_tool {

struct Line {
    std::string name;
    std::vector<float> values; // by x; NaN: a gap
};

struct Panel {
    std::string title;
    std::vector<Line> lines;
};

// x: of all lines; mark: where a vertical line stands, with its words; NaN: none. Written whole or not at all.
void draw_panels(const std::string& path, const std::string& x_title, const std::vector<float>& x, const std::vector<Panel>& panels,
                 float mark, const std::string& mark_words);

} // namespace vector_tool
