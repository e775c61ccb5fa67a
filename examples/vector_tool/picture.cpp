#include "picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace vector_tool {
namespace {

constexpr double kWidth = 640, kHeight = 220, kLeft = 60, kRight = 150, kTop = 34, kBottom = 30;
constexpr std::array kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}; // told apart by all eyes

std::string number(double value) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.3g", value);
    return text.data();
}

struct Range {
    double low = INFINITY, high = -INFINITY;
    void take(float value) {
        if (!std::isfinite(value)) return;
        low = std::min(low, double{value}), high = std::max(high, double{value});
    }
    void widen() {
        if (!(low <= high)) low = 0, high = 1;
        if (low > 0 && low < 0.5 * high) low = 0;
        if (high - low < 1e-9) high = low + 1;
    }
};

class Drawing {
  public:
    Drawing(const std::vector<float>& x, float mark) : x_(x) {
        for (const float value : x) across_.take(value);
        across_.take(mark);
        across_.widen();
    }

    void add(const Panel& panel, double top, float mark, const std::string& mark_words) {
        top_ = top;
        up_ = {};
        for (const Line& line : panel.lines)
            for (const float value : line.values) up_.take(value);
        up_.widen();
        text(kLeft, top + 18, panel.title, "#000", "start", "bold ");
        for (int i = 0; i <= 4; i++) {
            const double value = up_.low + (up_.high - up_.low) * i / 4;
            rule(kLeft, y_of(value), kWidth - kRight, y_of(value), "#ddd");
            text(kLeft - 6, y_of(value) + 4, number(value), "#444", "end");
        }
        for (const float value : x_) text(x_of(value), top + kHeight - kBottom + 16, number(double{value}), "#444", "middle");
        if (std::isfinite(mark)) {
            rule(x_of(double{mark}), top + kTop, x_of(double{mark}), top + kHeight - kBottom, "#888");
            text(x_of(double{mark}) + 4, top + kTop + 12, mark_words, "#666", "start");
        }
        for (size_t i = 0; i < panel.lines.size(); i++) draw(panel.lines[i], i);
    }

    void note(double y, const std::string& words) { text((kLeft + kWidth - kRight) / 2, y, words, "#000", "middle"); }
    const std::string& svg() const { return svg_; }

  private:
    double x_of(double value) const { return kLeft + (value - across_.low) / (across_.high - across_.low) * (kWidth - kRight - kLeft); }
    double y_of(double value) const {
        return top_ + kHeight - kBottom - (value - up_.low) / (up_.high - up_.low) * (kHeight - kBottom - kTop);
    }

    void draw(const Line& line, size_t index) {
        const std::string colour = kColours[index % kColours.size()];
        std::string points;
        for (size_t i = 0; i < line.values.size(); i++)
            if (std::isfinite(line.values[i])) points += number(x_of(double{x_[i]})) + "," + number(y_of(double{line.values[i]})) + " ";
        svg_ += "<polyline fill='none' stroke='" + colour + "' stroke-width='2' points='" + points + "'/>\n";
        const double y = top_ + kTop + 12 + 16 * static_cast<double>(index);
        rule(kWidth - kRight + 12, y - 4, kWidth - kRight + 30, y - 4, colour.c_str(), 2);
        text(kWidth - kRight + 36, y, line.name, "#000", "start");
    }
    void rule(double x1, double y1, double x2, double y2, const char* colour, int width = 1) {
        svg_ += "<line x1='" + number(x1) + "' y1='" + number(y1) + "' x2='" + number(x2) + "' y2='" + number(y2) + "' stroke='" + colour +
                "' stroke-width='" + std::to_string(width) + "'/>\n";
    }
    void text(double x, double y, const std::string& words, const char* colour, const char* anchor, const char* weight = "") {
        std::string safe;
        for (const char c : words) safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
        svg_ += "<text x='" + number(x) + "' y='" + number(y) + "' fill='" + colour + "' text-anchor='" + anchor + "' style='font:" + weight +
                "12px sans-serif'>" + safe + "</text>\n";
    }

    const std::vector<float>& x_;
    Range across_, up_;
    double top_ = 0;
    std::string svg_;
};

} // namespace

void draw_panels(const std::string& path, const std::string& x_title, const std::vector<float>& x, const std::vector<Panel>& panels,
                 float mark, const std::string& mark_words) {
    Drawing drawing(x, mark);
    double top = 0;
    for (const Panel& panel : panels) drawing.add(panel, top, mark, mark_words), top += kHeight;
    drawing.note(top + 14, x_title);
    std::ofstream file(path, std::ios::binary);
    file << "<svg xmlns='http://www.w3.org/2000/svg' width='" << kWidth << "' height='" << top + 24 << "'>\n<rect width='100%' height='100%' fill='#fff'/>\n"
         << drawing.svg() << "</svg>\n";
    if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
}

} // namespace vector_tool
