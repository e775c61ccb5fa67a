// Token bytes in, whole characters out: a character cut between two tokens waits until it is complete.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace steer {

class Utf8Gate {
  public:
    // The characters that are complete now. Each maximal ill-formed part becomes one U+FFFD, as the WHATWG decoder and
    // Python's errors="replace" do. However the bytes are cut into calls, the concatenated result is the same.
    std::string push(std::string_view bytes);
    // An incomplete tail becomes one U+FFFD.
    std::string flush();
    void reset() { size_ = 0; }
    bool held() const { return size_ > 0; }

  private:
    std::array<char, 3> tail_{};
    uint8_t size_ = 0;
};

} // namespace steer
