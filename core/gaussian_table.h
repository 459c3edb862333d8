#pragma once

// How `gaussian` is computed, shared with the vectorised kernels.
//
// Let m = min(bits, ~bits) and x = m + 1/2 in float32: the distance from the nearer end of the unit interval in units
// of 2^-32, 1/2 <= x <= 2^31. The magnitude |z| = -quantile(x / 2^32) is a cubic on each of the 8 equal parts of an
// octave [2^e, 2^(e+1)): exponent and leading three mantissa bits of x are the index, the other 20 bits the argument t.
//
//   |z| = ((c3 * t + c2) * t + c1) * t + c0,  0 <= t < 1/8,  each operation rounded to float32
//
// Error: below 1e-6. |z| never rises with x: each cubic begins and ends on the float32 value that its neighbours share,
// and t has so few bits that its step outweighs the rounding of the products.

#include <cstdint>

namespace bitline {

struct GaussianSegment {
    float c0, c1, c2, c3;
};

constexpr int kGaussianSegmentShift = 20;  // mantissa bits left for t
constexpr uint32_t kGaussianArgumentMask = (1u << kGaussianSegmentShift) - 1;
constexpr uint32_t kGaussianFirst = 0x3F000000u >> kGaussianSegmentShift;  // index of x = 1/2
constexpr uint32_t kGaussianLast = 0x4F000000u >> kGaussianSegmentShift;   // index of x = 2^31
constexpr int kGaussianSegments = int(kGaussianLast - kGaussianFirst) + 1;

/// (kGaussianSegments), computed once by IEEE operations in a fixed order.
const GaussianSegment* gaussian_table();

}  // namespace bitline
