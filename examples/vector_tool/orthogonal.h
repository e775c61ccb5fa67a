// Rows of one layer: their cosines, and what is left of each when they are made orthogonal.
#pragma once

#include <Eigen/Core>

namespace vector_tool {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>; // [vectors, hidden size], none of length 0

enum class Orthogonal { no, gram_schmidt, loewdin };

Eigen::MatrixXd cosines(const Rows& rows);

// What is left of a row is its part along its own one of the orthogonal directions. Gram-Schmidt: each less what lies along
// those before it. Loewdin: the directions that are nearest to all rows together (those of length one, S^-1/2 V, S the
// cosines), so that the order does not matter. Throws std::runtime_error where the rows are linearly dependent.
Rows made_orthogonal(const Rows& rows, Orthogonal method);

} // namespace vector_tool
