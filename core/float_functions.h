#pragma once

// Functions of float32 as the reference defines them, shared with training: the same bits on every machine, because
// nothing is left to libm. Errors below one unit in the last place of float32.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/fixed_exp.h"

namespace bitline {

/// exp of x <= 0; beyond -700 the result is 0 in float32 anyway. The bits of fixed_exp.
inline double exp_below_one(double x) { return x < -700 ? 0.0 : fixed_exp_within(x); }

/// 1 / (1 + exp(-x))
inline float sigmoid(float x) {
    if (std::isnan(x)) return x;
    const double e = exp_below_one(-std::abs(static_cast<double>(x)));
    return static_cast<float>((x < 0 ? e : 1.0) / (1.0 + e));
}

inline float hyperbolic_tangent(float x) {
    if (std::isnan(x)) return x;
    const double exact = x, magnitude = std::abs(exact);
    if (magnitude < 1e-4) return static_cast<float>(exact - exact * exact * exact / 3);  // the quotient would cancel
    const double e = exp_below_one(-2 * magnitude);
    return std::copysign(static_cast<float>((1 - e) / (1 + e)), x);
}

/// y = exp(x) / sum exp(x) over `count` elements `stride` apart. The sum runs in double, in the order of the elements;
/// the exponentials are taken twice rather than stored.
inline void softmax_line(const float* x, float* y, int64_t count, int64_t stride) {
    float largest = x[0];
    for (int64_t i = 1; i < count; ++i) largest = std::max(largest, x[i * stride]);
    const auto power = [&](int64_t i) {
        const float difference = x[i * stride] - largest;  // NaN for infinities: carried through
        return std::isnan(difference) ? static_cast<double>(difference) : exp_below_one(difference);
    };
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += power(i);
    for (int64_t i = 0; i < count; ++i) y[i * stride] = static_cast<float>(power(i) / sum);
}

}  // namespace bitline
