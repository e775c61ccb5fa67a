#include "steer/held_out.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace steer {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

struct Moments {
    double mean = kNoValue, variance = kNoValue; // sample variance
};

Moments moments(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    if (values.empty()) return {};
    Moments out;
    out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double square = 0.0;
    for (const double value : values) square += (value - out.mean) * (value - out.mean);
    if (values.size() > 1) out.variance = square / (n - 1.0);
    return out;
}

} // namespace

double area_under_curve(std::span<const double> positive, std::span<const double> negative) {
    if (positive.empty() || negative.empty()) return kNoValue;
    std::vector<double> sorted(negative.begin(), negative.end());
    std::sort(sorted.begin(), sorted.end());
    double wins = 0.0;
    for (const double value : positive) {
        const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), value);
        wins += static_cast<double>(low - sorted.begin()) + 0.5 * static_cast<double>(high - low);
    }
    return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

double Projections::separation() const {
    const Moments p = moments(positive), n = moments(negative);
    const double spread = std::sqrt((p.variance + n.variance) / 2.0);
    return spread > 0.0 ? (p.mean - n.mean) / spread : kNoValue;
}

void HeldOut::add(const Eigen::VectorXd& unit, const Eigen::VectorXd& positive, const Eigen::VectorXd& negative, double weight) {
    pooled_.positive.push_back(positive.dot(unit));
    pooled_.negative.push_back(negative.dot(unit));
    persona_ += weight * pooled_.positive.back();
    neutral_ += weight * pooled_.negative.back();
    add_state(positive);
    add_state(negative);
}

void HeldOut::add_content(const Eigen::VectorXd& unit, const Eigen::VectorXd& positive, const Eigen::VectorXd& negative) {
    content_.positive.push_back(positive.dot(unit));
    content_.negative.push_back(negative.dot(unit));
}

void HeldOut::add_state(const Eigen::VectorXd& state) {
    if (origin_.size() == 0) origin_ = state, sum_ = Eigen::VectorXd::Zero(state.size());
    sum_ += state - origin_;
    square_ += (state - origin_).squaredNorm();
}

double HeldOut::persona() const { return pooled_.positive.empty() ? kNoValue : persona_; }
double HeldOut::neutral() const { return pooled_.negative.empty() ? kNoValue : neutral_; }

double HeldOut::explained_variance() const {
    std::vector<double> all = pooled_.positive;
    all.insert(all.end(), pooled_.negative.begin(), pooled_.negative.end());
    const auto count = static_cast<double>(all.size());
    const double total = all.empty() ? 0.0 : square_ - sum_.squaredNorm() / count;
    return total > 0.0 ? moments(all).variance * (count - 1.0) / total : kNoValue;
}

} // namespace steer
