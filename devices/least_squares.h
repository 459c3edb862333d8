#pragma once

#include <Eigen/Dense>
#include <functional>

namespace bitline {

struct LeastSquares {
    Eigen::VectorXd x;
    Eigen::MatrixXd covariance;
    double cost = 0;
};

using Residuals = std::function<Eigen::VectorXd(const Eigen::VectorXd&)>;

/// Least squares of residuals(x) by Levenberg and Marquardt's method within bounds; steps are cut at them. Parameters
/// are to be scaled to about 1.
LeastSquares minimise(const Residuals& residuals, Eigen::VectorXd x, const Eigen::VectorXd& low,
                      const Eigen::VectorXd& high, int most_iterations);

}  // namespace bitline
