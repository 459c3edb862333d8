#pragma once

// A quantity as a function of a cell's state, as papers on devices print it.

#include <vector>

namespace bitline {

/// f(r) of the state r = G_target / G_max:
///   clip(log_slope * ln r + power_scale * r^power + sum_k polynomial[k] r^k, low, high)   where r < above_from
///   sum_k above[k] r^k                                                                    elsewhere
/// r below 1e-9 counts as 1e-9. The unit of f is that of the coefficients.
struct StateLaw {
    std::vector<double> polynomial;  // c0, c1, ...; empty: 0
    double log_slope = 0;
    double power_scale = 0, power = 0;
    double low = -1e9, high = 1e9;
    double above_from = 0;      // 0: the first line everywhere
    std::vector<double> above;  // c0, c1, ...
    bool operator==(const StateLaw&) const = default;
};

/// By IEEE operations in a fixed order: the same bits on every machine.
double evaluate(const StateLaw& law, double r);

double evaluate_polynomial(const std::vector<double>& coefficients, double r);

/// x^y for x > 0 from fixed_exp and fixed_log.
double fixed_power(double x, double y);

/// Piecewise linear through the points (i / (n - 1), values[i]); 0 <= position <= 1, at least one value.
double interpolate_evenly(const std::vector<double>& values, double position);

/// True where f is 0 whatever the state.
inline bool is_zero(const StateLaw& law) { return law == StateLaw(); }

}  // namespace bitline
