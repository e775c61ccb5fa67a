#include "orthogonal.h"

#include <Eigen/Eigenvalues>

#include <stdexcept>

namespace vector_tool {
namespace {

// Rows come as float32: below this what is left of them is rounding. A length; as an eigenvalue of cosines its square.
constexpr double kLeast = 1e-4;

[[noreturn]] void dependent() { throw std::runtime_error("the rows are linearly dependent: no orthogonal ones stand for them"); }

Rows gram_schmidt(const Rows& rows) {
    Rows out = rows;
    for (Eigen::Index i = 0; i < rows.rows(); i++) {
        for (int pass = 0; pass < 2; pass++) // the second takes away what rounding left of the first
            for (Eigen::Index j = 0; j < i; j++) out.row(i) -= out.row(i).dot(out.row(j)) / out.row(j).squaredNorm() * out.row(j);
        if (out.row(i).norm() < kLeast * rows.row(i).norm()) dependent();
    }
    return out;
}

Rows loewdin(const Rows& rows) {
    const Rows units = rows.rowwise().normalized();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> overlap(units * units.transpose());
    if (overlap.info() != Eigen::Success || overlap.eigenvalues().minCoeff() < kLeast * kLeast) dependent();
    Rows out = overlap.operatorInverseSqrt() * units;
    for (Eigen::Index i = 0; i < rows.rows(); i++) out.row(i) *= rows.row(i).dot(out.row(i));
    return out;
}

} // namespace

Eigen::MatrixXd cosines(const Rows& rows) {
    const Rows units = rows.rowwise().normalized();
    return units * units.transpose();
}

Rows made_orthogonal(const Rows& rows, Orthogonal method) {
    if (method == Orthogonal::gram_schmidt) return gram_schmidt(rows);
    if (method == Orthogonal::loewdin) return loewdin(rows);
    return rows;
}

} // namespace vector_tool
