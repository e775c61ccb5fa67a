// Search for one string in linear time, whatever the strings are (Knuth, Morris and Pratt).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace steer {

class Finder {
  public:
    explicit Finder(std::string_view needle);

    // Feeds one byte: state is how much of the needle the text ends with, at most needle.size().
    size_t advance(size_t state, char byte) const;
    size_t find(std::string_view text, size_t from = 0) const; // npos: none
    const std::string& needle() const { return needle_; }

  private:
    std::string needle_;
    std::vector<size_t> border_; // border_[n]: longest proper border of the first n bytes
};

} // namespace steer
