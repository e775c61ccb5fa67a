// One gauge as one line: label, a bar of 20 cells, a signed value. Pink above zero, blue below.
#pragma once

#include <string>

namespace chat {

// What the bar's ends stand for. A value outside moves the end out at once; the end then comes back slowly.
class GaugeRange {
  public:
    // Without statistics: starts narrow around the first value and grows with what is seen.
    GaugeRange() = default;
    // The cosines of neutral and of persona text, from the vector's own statistics.
    GaugeRange(float neutral, float persona);

    void see(float value);
    float low() const { return low_; }
    float high() const { return high_; }
    float share(float value) const; // 0..1 of the bar

  private:
    bool known_ = false, started_ = false;
    float base_low_ = 0, base_high_ = 0;
    float low_ = 0, high_ = 0;
};

constexpr int gauge_cells = 20;
constexpr const char* pink = "\x1b[95m";
constexpr const char* blue = "\x1b[94m";

std::string gauge_bar(float share);    // 20 cells, filled to an eighth of a cell, without colour
std::string signed_value(float value); // "+0.3412"; NaN: "  --   "

struct GaugeReading {
    std::string label; // padded by the caller to a common width
    float value;       // what the bar shows
    float share;
    std::string note; // behind the value
};

std::string gauge_line(const GaugeReading& reading, int columns, bool colour);

} // namespace chat
