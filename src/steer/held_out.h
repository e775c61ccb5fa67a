// Figures of one layer's row on pairs that it was not made of. The definitions stand in steer/extract.h.
#pragma once

#include <Eigen/Core>

#include <span>
#include <vector>

namespace steer {

// Mann-Whitney: the share of (positive, negative) in which the positive is larger, ties half. NaN: one side is empty.
double area_under_curve(std::span<const double> positive, std::span<const double> negative);

// Projections of both voices on a unit row, one a pair.
struct Projections {
    std::vector<double> positive, negative;

    double auc() const { return area_under_curve(positive, negative); }
    double separation() const; // d'; NaN: too few, or no spread
};

class HeldOut {
  public:
    void add(const Eigen::VectorXd& unit, const Eigen::VectorXd& positive, const Eigen::VectorXd& negative, double weight);
    void add_content(const Eigen::VectorXd& unit, const Eigen::VectorXd& positive, const Eigen::VectorXd& negative);

    const Projections& pooled() const { return pooled_; }
    const Projections& content() const { return content_; } // of the pairs that have such tokens
    double persona() const; // weighted means
    double neutral() const;
    double explained_variance() const;

  private:
    void add_state(const Eigen::VectorXd& state);

    Projections pooled_, content_;
    double persona_ = 0.0, neutral_ = 0.0;
    Eigen::VectorXd origin_, sum_; // of (state - origin); the first state as origin keeps the variance exact
    double square_ = 0.0;          // sum of |state - origin|^2
};

} // namespace steer
