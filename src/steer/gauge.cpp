#include "steer/gauge.h"

#include <cmath>
#include <limits>

namespace steer {

float reduce_layers(Reduce reduce, std::span<const float> readings) {
    constexpr float unknown = std::numeric_limits<float>::quiet_NaN();
    if (readings.empty()) return unknown;
    double sum = 0.0;
    float largest = -std::numeric_limits<float>::infinity();
    for (const float reading : readings) {
        if (std::isnan(reading)) return unknown;
        sum += reading;
        largest = std::fmax(largest, reading);
    }
    if (reduce == Reduce::last) return readings.back();
    return reduce == Reduce::max ? largest : static_cast<float>(sum / static_cast<double>(readings.size()));
}

float GaugeWindow::push(float value) {
    if (values_.size() < length_) values_.push_back(value);
    else values_[next_] = value, next_ = (next_ + 1) % length_;
    double sum = 0.0;
    for (size_t i = 0; i < values_.size(); i++) sum += values_[(next_ + i) % values_.size()]; // oldest first
    return static_cast<float>(sum / static_cast<double>(values_.size()));
}

} // namespace steer
