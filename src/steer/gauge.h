// From the readings of a pass to the value of a gauge: layers combined, then a mean over the last tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steer {

// Of what state: as it is, less the push so far, the same less the stream's known response to the push, of the row without
// steering.
enum class Reading : uint8_t { raw, own, corrected, twin };
enum class Reduce : uint8_t { mean, max, last };

// NaN where there is nothing to combine or where any of it is NaN: unknown stays unknown.
float reduce_layers(Reduce reduce, std::span<const float> readings);

// Mean of the last values, of as many as there are so far. Summed anew each time, so that its bits depend on the values
// alone and not on what was there before them; a NaN makes it NaN until it has left.
class GaugeWindow {
  public:
    explicit GaugeWindow(int32_t length = 1) : length_(static_cast<size_t>(length)) {}

    float push(float value);
    void clear() { values_.clear(); next_ = 0; }

  private:
    size_t length_, next_ = 0; // next_: the oldest, once there are length_ of them
    std::vector<float> values_;
};

} // namespace steer
