#pragma once

// exp by IEEE operations in a fixed order, without branches: loops over it vectorise, and every lane gives the bits of
// fixed_exp. Files with instruction flags include it, too (see core/kernels/README.md), so no library function is used
// and each file keeps its own copy.

#include <cstdint>

namespace bitline {

/// (1 + r + r^2/2! + ...) - 1 - r for |r| <= ln(2) / 2; the first term left out is below 2^-57.
static inline double exp_tail(double r) {
    double sum = 1.0 / 6227020800.0;
    sum = sum * r + 1.0 / 479001600.0;
    sum = sum * r + 1.0 / 39916800.0;
    sum = sum * r + 1.0 / 3628800.0;
    sum = sum * r + 1.0 / 362880.0;
    sum = sum * r + 1.0 / 40320.0;
    sum = sum * r + 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 1.0 / 2.0;
    return r * r * sum;
}

/// exp x = fraction * 2^k.
struct ExpParts {
    double fraction = 0;
    double shifted = 0;  // 1.5 * 2^52 + k: its low bits are k
};

static inline ExpParts exp_parts(double x) {
    // ln 2 in two parts: the high one has 32 significant bits, so that its product with an exponent is exact.
    constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33, kInverseLn2 = 0x1.71547652b82fep+0;
    constexpr double kToWhole = 0x1.8p52;  // adding it rounds to the nearest whole number
    const double shifted = x * kInverseLn2 + kToWhole, k = shifted - kToWhole;
    const double high = x - k * kLn2High, low = k * kLn2Low;
    const double r = high - low;
    const double lost = (high - r) - low;  // what the difference rounded away
    return {1.0 + (r + (exp_tail(r) + lost)), shifted};
}

/// fixed_exp(x) for |x| <= 700.
static inline double fixed_exp_within(double x) {
    const ExpParts parts = exp_parts(x);
    constexpr uint64_t kOne = 0x3FF0000000000000;  // bits of 1.0
    const uint64_t power = (__builtin_bit_cast(uint64_t, parts.shifted) << 52) + kOne;
    return parts.fraction * __builtin_bit_cast(double, power);
}

}  // namespace bitline
