#include "gauge_line.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "width.h"

namespace chat {

namespace {

constexpr float least_span = 0.02f; // of an unknown range, in cosine
constexpr float come_back = 0.02f;  // share of the way that a stretched end returns with each token

// The note's items stand two blanks apart; those that do not fit are left out whole.
std::string fitting_items(const std::string& note, int columns) {
    if (text_width(note) <= columns) return note;
    const std::size_t cut = note.rfind("  ");
    return cut == std::string::npos || cut == 0 ? std::string() : fitting_items(note.substr(0, cut), columns);
}

} // namespace

GaugeRange::GaugeRange(float neutral, float persona) {
    if (!std::isfinite(neutral) || !std::isfinite(persona) || neutral == persona) return;
    const auto [least, most] = std::minmax(neutral, persona);
    // Single tokens scatter about the means of texts by more than the distance of the means.
    const float margin = (most - least) / 2;
    known_ = started_ = true;
    base_low_ = low_ = least - margin;
    base_high_ = high_ = most + margin;
}

void GaugeRange::see(float value) {
    if (!std::isfinite(value)) return;
    if (!started_) {
        started_ = true;
        low_ = value - least_span;
        high_ = value + least_span;
    }
    if (known_) {
        low_ += come_back * (base_low_ - low_);
        high_ += come_back * (base_high_ - high_);
    }
    const float room = 0.05f * (high_ - low_);
    if (value < low_ + room) low_ = value - room;
    if (value > high_ - room) high_ = value + room;
}

float GaugeRange::share(float value) const {
    if (!std::isfinite(value) || !(high_ > low_)) return 0;
    return std::clamp((value - low_) / (high_ - low_), 0.0f, 1.0f);
}

std::string gauge_bar(float share) {
    static constexpr const char* parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0f, 1.0f) * gauge_cells * 8));
    std::string bar;
    for (int cell = 0; cell < gauge_cells; ++cell) {
        const int filled = std::clamp(eighths - cell * 8, 0, 8);
        bar += filled == 8 ? "█" : filled == 0 ? "░" : parts[filled];
    }
    return bar;
}

std::string signed_value(float value) {
    if (!std::isfinite(value)) return "  --   ";
    char text[48];
    std::snprintf(text, sizeof text, "%+.4f", static_cast<double>(value));
    return text;
}

std::string gauge_line(const GaugeReading& reading, int columns, bool colour) {
    const std::string value = signed_value(reading.value);
    const int label_room = columns - gauge_cells - 2 - text_width(value);
    if (label_room < 0) return std::string(fit(value, columns));
    const std::string label(fit(reading.label, label_room));
    const std::string bar = gauge_bar(reading.share);
    const int used = text_width(label) + gauge_cells + 2 + text_width(value);
    const std::string note = fitting_items("  " + reading.note, columns - used);
    if (!colour) return label + " " + bar + " " + value + note;

    const char* tint = reading.value < 0 ? blue : pink;
    const std::size_t empty = bar.find("░");
    std::string line = "\x1b[1m" + label + "\x1b[0m " + tint + bar.substr(0, empty);
    if (empty != std::string::npos) line += "\x1b[90m" + bar.substr(empty);
    return line + "\x1b[0m " + tint + value + "\x1b[0m\x1b[2m" + note + "\x1b[0m";
}

} // namespace chat
