#include <array>
#include <bit>
#include <cmath>

#include "core/gaussian_table.h"
#include "core/random.h"

namespace bitline {

namespace {

using Coefficients = std::array<double, 8>;

double polynomial(const Coefficients& c, double x) {
    double sum = 0;
    for (int i = 7; i >= 0; --i) sum = sum * x + c[i];
    return sum;
}

/// -quantile(p), 0 < p <= 1/2, of the standard normal law, relative error about 1e-16.
/// M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988),
/// routine PPND16.
double upper_quantile(double p) {
    constexpr Coefficients kA = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                 3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr Coefficients kB = {1.0,
                                 4.2313330701600911252e1,
                                 6.8718700749205790830e2,
                                 5.3941960214247511077e3,
                                 2.1213794301586595867e4,
                                 3.9307895800092710610e4,
                                 2.8729085735721942674e4,
                                 5.2264952788528545610e3};
    constexpr Coefficients kC = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                 3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr Coefficients kD = {1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
    constexpr Coefficients kE = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr Coefficients kF = {1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};
    const double q = 0.5 - p;
    if (q <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(kA, r) / polynomial(kB, r);
    }
    const double r = std::sqrt(-fixed_log(p));
    if (r <= 5) return polynomial(kC, r - 1.6) / polynomial(kD, r - 1.6);
    return polynomial(kE, r - 5) / polynomial(kF, r - 5);
}

/// The cubic through |z| at the ends and the inner thirds of segment `index`.
GaussianSegment fit_segment(int index) {
    const auto edge = [](int i) { return double(std::bit_cast<float>((kGaussianFirst + i) << kGaussianSegmentShift)); };
    const double begin = edge(index), width = edge(index + 1) - begin;
    const auto height = [&](double part) { return upper_quantile((begin + width * part) * 0x1p-32); };
    // Neighbours share the rounded values at their common edge.
    const double y0 = float(height(0)), y3 = float(height(1));
    const double d1 = height(1.0 / 3) - y0, d2 = height(2.0 / 3) - y0, d3 = y3 - y0;
    const double c1 = 9 * d1 - 4.5 * d2 + d3;
    const double c2 = -22.5 * d1 + 18 * d2 - 4.5 * d3;
    const double c3 = 13.5 * d1 - 13.5 * d2 + 4.5 * d3;
    return {float(y0), float(c1 * 8), float(c2 * 64), float(c3 * 512)};  // in t = part / 8
}

struct Table {
    std::array<GaussianSegment, kGaussianSegments> segments{};
    Table() {
        for (int i = 0; i + 1 < kGaussianSegments; ++i) segments[i] = fit_segment(i);
        // The last entry serves x = 2^31 alone, where |z| = 0.
    }
};

}  // namespace

const GaussianSegment* gaussian_table() {
    static const Table table;
    return table.segments.data();
}

float gaussian(uint32_t bits) {
    const bool upper = bits >> 31;
    const float x = float(int32_t(upper ? ~bits : bits)) + 0.5f;
    const uint32_t pattern = std::bit_cast<uint32_t>(x);
    const GaussianSegment& c = gaussian_table()[(pattern >> kGaussianSegmentShift) - kGaussianFirst];
    const float t = std::bit_cast<float>((pattern & kGaussianArgumentMask) | 0x3F800000u) - 1.0f;
    const float magnitude = ((c.c3 * t + c.c2) * t + c.c1) * t + c.c0;
    return upper ? magnitude : -magnitude;
}

}  // namespace bitline
