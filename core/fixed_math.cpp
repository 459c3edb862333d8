#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/fixed_exp.h"
#include "core/random.h"

namespace bitline {

namespace {

// ln 2 in two parts: the high one has 32 significant bits, so that its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

/// 2^exponent for a normal result.
double power_of_two(int exponent) { return std::bit_cast<double>(uint64_t(exponent + 1023) << 52); }

/// 2 * (s^2/3 + s^4/5 + ...) for s^2 <= 0.0295: log((1+s)/(1-s)) = s * (2 + this). The first term left out is below
/// 2^-66.
double log_tail(double s2) {
    double sum = 0;
    for (int n = 25; n >= 3; n -= 2) sum = sum * s2 + 2.0 / n;
    return sum * s2;
}

}  // namespace

double fixed_exp(double x) {
    if (std::isnan(x)) return x;
    if (x > 709.8) return std::numeric_limits<double>::infinity();
    if (x < -745.2) return 0;
    const ExpParts parts = exp_parts(x);
    const double y = parts.fraction, k = parts.shifted - 0x1.8p52;
    // Two steps, because 2^k itself may be subnormal or infinite where the result is not.
    const int first = int(k) / 2;
    return y * power_of_two(first) * power_of_two(int(k) - first);
}

double fixed_log(double x) {
    if (std::isnan(x) || x == std::numeric_limits<double>::infinity()) return x;
    if (x < 0) return std::numeric_limits<double>::quiet_NaN();
    if (x == 0) return -std::numeric_limits<double>::infinity();
    int exponent = 0;
    if (x < std::numeric_limits<double>::min()) {
        x *= 0x1p54;
        exponent = -54;
    }
    // x = 2^exponent * m with sqrt(1/2) <= m < sqrt(2).
    constexpr uint64_t kRootHalf = 0x3FE6A09E667F3BCD;
    const uint64_t bits = std::bit_cast<uint64_t>(x);
    const int shift = int(int64_t(bits - kRootHalf) >> 52);
    const double m = std::bit_cast<double>(bits - (uint64_t(int64_t(shift)) << 52));
    exponent += shift;

    // With f = m - 1 (exact) and s = f / (2 + f): log m = s * (2 + tail) and 2 s = f - s f, so that the leading term
    // is exact.
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double correction = s * (f - log_tail(s * s));
    if (exponent == 0) return f - correction;
    return exponent * kLn2High + (f - (correction - exponent * kLn2Low));
}

double fixed_expm1(double x) {
    constexpr double kHalfLn2 = 0.34;  // where exp_tail holds
    return std::abs(x) < kHalfLn2 ? x + exp_tail(x) : fixed_exp(x) - 1.0;
}

double fixed_pow(double x, double y) {
    if (y == 0) return 1;
    return x == 0 ? (y > 0 ? 0 : std::numeric_limits<double>::infinity()) : fixed_exp(y * fixed_log(x));
}

}  // namespace bitline
