#pragma once

// A device of the user's own, as measured: the conductance that a cell has when it was programmed to a target, at times
// afterwards. Tables of rows, as CSV with these columns or as HDF5 with these one-dimensional data sets:
//
//   target_S, time_s, mean_S, sigma_S    moments: G = mean + sigma xi, one standard normal xi for each cell
//   target_S, time_s, sample_S           samples, many for each target and time: G is their quantile u (piecewise
//   linear
//                                        through ((i + 1/2) / n, sample i), constant beyond), one uniform u for each
//                                        cell
//
// Every target has data at every time. Between targets means, deviations and quantiles are interpolated linearly,
// between times linearly in ln t. A cell keeps its xi or u: one that is high stays high. The rows of time 0 are the
// freshly programmed cell; where there are none, those of the first time. Later times before the first or after the
// last positive one are refused, and so are levels outside of the targets.

#include <array>
#include <string>
#include <vector>

#include "devices/cell.h"

namespace bitline {

struct UserTable {
    std::string path;
    std::vector<double> targets;               // S, rising
    std::vector<double> times;                 // s, rising
    std::vector<double> mean, deviation;       // (times x targets) S; empty with samples
    std::vector<std::vector<double>> samples;  // (times x targets), each S, rising; empty with moments

    bool has_samples() const { return !samples.empty(); }
    double first_time() const { return times.front() > 0 || times.size() == 1 ? times.front() : times[1]; }
};

/// Throws FormatError or ConfigError with file, row and why.
UserTable read_user_table(const std::string& path);

/// A point of the table: up to two targets at up to two times.
struct TablePoint {
    std::array<size_t, 4> entry{};  // into the (times x targets) arrays
    std::array<double, 4> share{};  // sum 1
};

/// Throws ConfigError for a target or a time outside of the table.
TablePoint find_point(const UserTable& table, double target, double time);

/// Quantile u of `sorted`, which is not empty.
double quantile(const std::vector<double>& sorted, double u);

}  // namespace bitline
