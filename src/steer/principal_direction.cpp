// Only the first component is wanted, of matrices that may have thousands of rows and columns: Lanczos iteration on
// A^T A (Golub and Van Loan, Matrix Computations, chapter 10), every new vector made orthogonal to all earlier ones, twice. It
// needs products with A alone, so neither a covariance [hidden, hidden] nor a Gram matrix [pairs, pairs] is ever formed.
#include "steer/directions.h"
#include "steer/split_mix.h"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <vector>

namespace steer {
namespace {

constexpr Eigen::Index kStepsMax = 1000; // two components that it cannot tell apart by then are as good as equal
constexpr Eigen::Index kLookEvery = 8;
constexpr double kResidual = 1e-13, kExhausted = 1e-14; // shares of the largest eigenvalue

using Eigen::Index;
using Eigen::VectorXd;

class Lanczos {
  public:
    explicit Lanczos(const RowMatrix& a) : a_(a) {}

    VectorXd run() {
        VectorXd v = a_.transpose() * random_vector(a_.rows()); // within the rows' span, which is exhausted at its rank
        if (!(v.norm() > 0.0)) return VectorXd::Zero(a_.cols());
        const Index limit = std::min({a_.rows(), a_.cols(), kStepsMax});
        for (Index step = 1; step <= limit; ++step) {
            const double beta = extend(v / v.norm(), v);
            const bool last = step == limit || beta <= kExhausted * scale();
            if ((last || step % kLookEvery == 0) && (look(beta) || last)) break;
            off_diagonal_.push_back(beta);
        }
        VectorXd out = VectorXd::Zero(a_.cols());
        for (size_t i = 0; i < basis_.size(); ++i) out += ritz_[static_cast<Index>(i)] * basis_[i];
        return out.normalized();
    }

  private:
    static VectorXd random_vector(Index size) {
        uint64_t state = 0;
        VectorXd out(size);
        for (double& value : out) value = static_cast<double>(next_random(state) >> 11) * 0x1p-52 - 1.0;
        return out;
    }

    double scale() const { return *std::max_element(diagonal_.begin(), diagonal_.end()); }

    // Takes a basis vector, gives the next one and its length.
    double extend(const VectorXd& v, VectorXd& next) {
        basis_.push_back(v);
        next = a_.transpose() * (a_ * v);
        diagonal_.push_back(v.dot(next));
        for (int twice = 0; twice < 2; ++twice)
            for (const VectorXd& earlier : basis_) next -= earlier.dot(next) * earlier;
        return next.norm();
    }

    // The largest eigenvalue's vector in the basis so far; true: it holds for the whole matrix.
    bool look(double beta) {
        const auto size = static_cast<Index>(diagonal_.size());
        Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
        solver.computeFromTridiagonal(Eigen::Map<const VectorXd>(diagonal_.data(), size),
                                      Eigen::Map<const VectorXd>(off_diagonal_.data(), size - 1));
        ritz_ = solver.eigenvectors().col(size - 1);
        return beta * std::abs(ritz_[size - 1]) <= kResidual * solver.eigenvalues()[size - 1];
    }

    const RowMatrix& a_;
    std::vector<VectorXd> basis_;
    std::vector<double> diagonal_, off_diagonal_; // of A^T A in the basis
    VectorXd ritz_;
};

} // namespace

VectorXd principal_direction(RowMatrix data, const VectorXd& weights, bool centred) {
    if (centred) {
        const Eigen::RowVectorXd mean = weights.transpose() * data;
        data.rowwise() -= mean;
    }
    data.array().colwise() *= weights.array().sqrt();
    return Lanczos(data).run();
}

} // namespace steer
