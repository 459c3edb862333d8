#include "devices/state_law.h"

#include <algorithm>

#include "core/random.h"

namespace bitline {

double fixed_power(double x, double y) { return fixed_exp(y * fixed_log(x)); }

double evaluate_polynomial(const std::vector<double>& coefficients, double r) {
    double sum = 0;
    for (size_t k = coefficients.size(); k-- > 0;) sum = sum * r + coefficients[k];
    return sum;
}

double evaluate(const StateLaw& law, double r) {
    constexpr double kLeast = 1e-9;
    r = std::max(r, kLeast);
    if (law.above_from > 0 && r >= law.above_from) return evaluate_polynomial(law.above, r);
    double value = evaluate_polynomial(law.polynomial, r);
    if (law.log_slope != 0) value += law.log_slope * fixed_log(r);
    if (law.power_scale != 0) value += law.power_scale * fixed_power(r, law.power);
    return std::clamp(value, law.low, law.high);
}

double interpolate_evenly(const std::vector<double>& values, double position) {
    const double place = position * static_cast<double>(values.size() - 1);
    const auto below = std::min(static_cast<size_t>(place), values.size() - 1);
    if (below + 1 == values.size()) return values[below];
    const double share = place - static_cast<double>(below);
    return values[below] + share * (values[below + 1] - values[below]);
}

}  // namespace bitline
