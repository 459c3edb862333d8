#include "devices/least_squares.h"

#include <algorithm>

namespace bitline {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd jacobian(const Residuals& residuals, const VectorXd& x, const VectorXd& at, const VectorXd& low,
                  const VectorXd& high) {
    constexpr double kStep = 1e-5;  // of a parameter's scale, which is 1 here
    MatrixXd j(at.size(), x.size());
    for (Eigen::Index c = 0; c < x.size(); ++c) {
        VectorXd up = x, down = x;
        up[c] = std::min(high[c], x[c] + kStep);
        down[c] = std::max(low[c], x[c] - kStep);
        j.col(c) = (residuals(up) - residuals(down)) / (up[c] - down[c]);
    }
    return j;
}

/// Inverse; directions that the data say nothing about get a large variance instead of none.
MatrixXd covariance_of(const MatrixXd& normal) {
    constexpr double kFloor = 1e-13;  // of the largest diagonal element
    const MatrixXd identity = MatrixXd::Identity(normal.rows(), normal.cols());
    return (normal + std::max(normal.diagonal().maxCoeff(), 1e-30) * kFloor * identity).ldlt().solve(identity);
}

}  // namespace

LeastSquares minimise(const Residuals& residuals, VectorXd x, const VectorXd& low, const VectorXd& high,
                      int most_iterations) {
    LeastSquares best;
    VectorXd r = residuals(x);
    double cost = r.squaredNorm(), damping = 1e-3;
    MatrixXd normal = MatrixXd::Zero(x.size(), x.size());
    for (int iteration = 0; iteration < most_iterations; ++iteration) {
        const MatrixXd j = jacobian(residuals, x, r, low, high);
        normal = j.transpose() * j;
        const VectorXd gradient = j.transpose() * r;
        bool improved = false;
        double gained = 0;
        for (int attempt = 0; attempt < 12 && !improved; ++attempt, damping *= 4) {
            MatrixXd damped = normal;
            for (Eigen::Index i = 0; i < x.size(); ++i) damped(i, i) += damping * (normal(i, i) + 1e-12);
            const VectorXd trial = (x - damped.ldlt().solve(gradient)).cwiseMax(low).cwiseMin(high);
            if (!trial.allFinite()) continue;
            const VectorXd trial_r = residuals(trial);
            const double trial_cost = trial_r.squaredNorm();
            if (!(trial_cost < cost)) continue;
            gained = cost - trial_cost;
            x = trial;
            r = trial_r;
            cost = trial_cost;
            improved = true;
            damping /= 40;
        }
        damping = std::clamp(damping, 1e-12, 1e8);
        if (!improved || gained < 1e-9 * cost) break;
    }
    const MatrixXd j = jacobian(residuals, x, r, low, high);
    best.covariance = covariance_of(j.transpose() * j);
    best.x = x;
    best.cost = cost;
    return best;
}

}  // namespace bitline
