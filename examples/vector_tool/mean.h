// A mean of the values that are there, and how far it may be off.
#pragma once

#include <cmath>
#include <limits>

namespace vector_tool {

class Mean {
  public:
    void add(double value) { // NaN: none
        if (std::isnan(value)) return;
        count_++;
        const double off = value - mean_;
        mean_ += off / count_;
        squares_ += off * (value - mean_);
    }
    double count() const { return count_; }
    double value() const { return count_ > 0 ? mean_ : std::numeric_limits<double>::quiet_NaN(); }
    double standard_error() const {
        return count_ > 1 ? std::sqrt(squares_ / (count_ - 1) / count_) : std::numeric_limits<double>::quiet_NaN();
    }

  private:
    double count_ = 0.0, mean_ = 0.0, squares_ = 0.0;
};

} // namespace vector_tool
