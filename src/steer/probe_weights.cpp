// Newton's method with steps from conjugate gradients (Nocedal and Wright, Numerical Optimization, algorithm 7.1): products
// with the states alone, no Hessian [hidden, hidden]. The function is strictly convex, so it ends where scikit-learn's
// LogisticRegression ends.
#include "files/error.h"
#include "steer/directions.h"

#include <algorithm>
#include <cmath>

namespace steer {
namespace {

using Eigen::Index;
using Eigen::VectorXd;

constexpr int kNewtonSteps = 200, kHalvings = 40;
constexpr double kGradient = 1e-10;  // of its length at the start: converged
constexpr double kRounding = 1e-14;  // of the loss: near its end the loss falls by less than it can tell

double log1p_exp(double x) { return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// x: rows times their class (1 or -1), the last column belongs to the intercept.
class LogisticLoss {
  public:
    LogisticLoss(const RowMatrix& x, const VectorXd& counts) : x_(x), counts_(counts) {}

    double at(const VectorXd& w) {
        margins_ = x_ * w;
        double loss = 0.5 * penalised(w).squaredNorm();
        for (Index i = 0; i < margins_.size(); ++i) loss += counts_[i] * log1p_exp(-margins_[i]);
        return loss;
    }

    // These two at the point of the last call of at().
    VectorXd gradient(const VectorXd& w) {
        VectorXd pull(margins_.size());
        curvature_.resize(margins_.size());
        for (Index i = 0; i < margins_.size(); ++i) {
            const double wrong = sigmoid(-margins_[i]);
            pull[i] = -counts_[i] * wrong;
            curvature_[i] = counts_[i] * wrong * (1.0 - wrong);
        }
        return penalised(w) + x_.transpose() * pull;
    }
    VectorXd times_hessian(const VectorXd& v) const {
        const VectorXd bent = curvature_.cwiseProduct(x_ * v);
        return penalised(v) + x_.transpose() * bent;
    }

  private:
    static VectorXd penalised(const VectorXd& w) {
        VectorXd out = w;
        out[out.size() - 1] = 0.0;
        return out;
    }

    const RowMatrix& x_;
    const VectorXd& counts_;
    VectorXd margins_, curvature_;
};

// Solves hessian * step = -gradient, as exactly as the distance from the minimum deserves.
VectorXd newton_step(const LogisticLoss& loss, const VectorXd& gradient, double relative) {
    VectorXd step = VectorXd::Zero(gradient.size()), residual = -gradient, direction = residual;
    double square = residual.squaredNorm();
    const double enough = square * std::pow(std::min(0.1, relative), 2.0);
    for (Index i = 0; i < 2 * gradient.size() && square > enough; ++i) {
        const VectorXd bent = loss.times_hessian(direction);
        const double curvature = direction.dot(bent);
        if (!(curvature > 0.0)) break; // lost in rounding
        const double length = square / curvature;
        step += length * direction;
        residual -= length * bent;
        const double next = residual.squaredNorm();
        direction = residual + next / square * direction;
        square = next;
    }
    return step;
}

VectorXd minimise(const RowMatrix& x, const VectorXd& counts) {
    LogisticLoss loss(x, counts);
    VectorXd w = VectorXd::Zero(x.cols());
    double value = loss.at(w), first = 0.0;
    for (int i = 0; i < kNewtonSteps; ++i) {
        const VectorXd gradient = loss.gradient(w);
        const double length = gradient.norm();
        if (i == 0) first = length;
        if (!(length > kGradient * first)) return w;
        const VectorXd step = newton_step(loss, gradient, length / first);
        const double slope = gradient.dot(step), start = value;
        double share = 1.0;
        for (int halving = 0; halving < kHalvings; ++halving, share *= 0.5) {
            value = loss.at(w + share * step);
            if (value <= start + 1e-4 * share * slope + kRounding * start) break;
        }
        w += share * step;
    }
    fail(STEER_ERR_NUMERIC, "extract: the probe did not converge in {} steps: are there states of extreme size?", kNewtonSteps);
}

} // namespace

VectorXd probe_weights(RowMatrix states, const VectorXd& pair_weights) {
    const Index pairs = pair_weights.size(), hidden = states.cols();
    VectorXd counts(2 * pairs);
    for (Index i = 0; i < 2 * pairs; ++i) counts[i] = static_cast<double>(pairs) * pair_weights[i / 2];
    const double total = counts.sum();
    const Eigen::RowVectorXd mean = counts.transpose() * states / total;
    states.rowwise() -= mean;
    const double spread = std::sqrt(states.rowwise().squaredNorm().dot(counts) / total);
    if (!(spread > 0.0)) return VectorXd::Zero(hidden);
    states /= spread;
    states.conservativeResize(Eigen::NoChange, hidden + 1);
    states.col(hidden).setOnes();
    for (Index i = 1; i < states.rows(); i += 2) states.row(i) *= -1.0;
    return minimise(states, counts).head(hidden) / spread;
}

} // namespace steer
