#include "gauge_board.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "numbers.h"
#include "width.h"

namespace chat {

namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr int name_room = 16;

} // namespace

void GaugeBoard::Track::clear() {
    last = least = most = nan_value;
    sum = 0;
    count = 0;
}

void GaugeBoard::Track::see(float value) {
    last = value;
    if (!std::isfinite(value)) return;
    range.see(value);
    least = count == 0 ? value : std::min(least, value);
    most = count == 0 ? value : std::max(most, value);
    sum += static_cast<double>(value);
    ++count;
}

float GaugeBoard::Track::mean() const { return count > 0 ? static_cast<float>(sum / count) : nan_value; }

GaugeBoard::GaugeBoard(const Persona* persona) {
    if (persona == nullptr) return;
    strength_ = persona->strength();
    std::size_t longest = 0;
    for (const LayerGauge& gauge : persona->gauges()) {
        const GaugeRange range = persona->expected_range(gauge.layer);
        const std::string layer = std::to_string(gauge.layer);
        longest = std::max(longest, layer.size());
        dials_.push_back({layer, gauge.layer, {range}, {range}});
    }
    const std::string name(fit(persona->name(), name_room));
    for (Dial& dial : dials_) {
        dial.label = name + std::string(longest - dial.label.size(), ' ') + " L" + dial.label;
        dial.own.clear();
        dial.raw.clear();
    }
}

void GaugeBoard::begin_reply() {
    for (Dial& dial : dials_) {
        dial.own.clear();
        dial.raw.clear();
    }
}

void GaugeBoard::see(const ReplyToken& token) {
    if (std::isfinite(token.strength)) strength_ = token.strength;
    for (std::size_t i = 0; i < dials_.size() && i < token.gauges.size(); ++i) {
        dials_[i].own.see(token.gauges[i].own);
        dials_[i].raw.see(token.gauges[i].raw);
    }
}

std::vector<GaugeReading> GaugeBoard::lines(bool ended) const {
    std::vector<GaugeReading> out;
    for (const Dial& dial : dials_) {
        const Track& track = shown(dial);
        const Track& other = raw_ ? dial.own : dial.raw;
        GaugeReading reading{dial.label, track.last, track.range.share(track.last), {}};
        const bool same = dial.own.sum == dial.raw.sum; // nothing was pushed at or below the place where it reads
        if (ended) reading.note = "mean " + signed_value(track.mean());
        if (!same) {
            reading.note += ended ? "  mean " : "";
            reading.note += (raw_ ? "own " : "raw ") + signed_value(ended ? other.mean() : other.last);
        }
        if (out.empty()) reading.note += (reading.note.empty() ? "strength " : "  strength ") + number_text(strength_);
        out.push_back(std::move(reading));
    }
    return out;
}

std::vector<GaugeReading> GaugeBoard::readings() const { return lines(false); }
std::vector<GaugeReading> GaugeBoard::results() const { return lines(true); }

std::vector<std::string> GaugeBoard::summary() const {
    std::vector<std::string> out;
    for (const Dial& dial : dials_) {
        out.push_back("[gauge " + dial.label + "] raw mean " + signed_value(dial.raw.mean()) + " (" +
                      signed_value(dial.raw.least) + " to " + signed_value(dial.raw.most) + ", last " +
                      signed_value(dial.raw.last) + "), own mean " + signed_value(dial.own.mean()) + ", strength " +
                      number_text(strength_));
    }
    return out;
}

std::vector<std::string> GaugeBoard::table() const {
    std::vector<std::string> out;
    for (const Dial& dial : dials_) {
        auto row = [&](const char* reading, const Track& track) {
            out.push_back(dial.label + " " + reading + "  now " + signed_value(track.last) + "  mean " +
                          signed_value(track.mean()) + "  bar from " + signed_value(track.range.low()) + " to " +
                          signed_value(track.range.high()));
        };
        row("raw", dial.raw);
        row("own", dial.own);
    }
    return out;
}

} // namespace chat
