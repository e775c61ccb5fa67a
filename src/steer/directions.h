// Directions found in states of one layer: principal components and a logistic probe. Plain algebra in float64.
#pragma once

#include <Eigen/Core>

namespace steer {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The unit vector along which the rows of data vary most: about their weighted mean if centred, else about the origin.
// weights: one a row, with sum one. Length zero where the rows do not vary at all. Its sign is left to chance.
Eigen::VectorXd principal_direction(RowMatrix data, const Eigen::VectorXd& weights, bool centred);

// Logistic regression with a penalty on the weights, not on the intercept. Even rows of states belong to the class that the
// weights point to, odd rows to the other; pair_weights (sum one) has one for two rows, n of them in all. Minimises
//   |w|^2 / 2 + sum over rows of c log(1 + exp(-y (w . x' + b))),  x' = (x - mean) / spread,  c = n times the pair's weight,
// with spread the root of the mean |x - mean|^2, so that neither the scale of the states nor their number of components
// matters, and gives w / spread: weights for states as they are. Length zero where all rows are the same.
Eigen::VectorXd probe_weights(RowMatrix states, const Eigen::VectorXd& pair_weights);

} // namespace steer
