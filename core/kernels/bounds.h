#pragma once

// What the plain parts of kernels must know before vector parts may compute in narrow integers. Plainly compiled files
// only.

#include "core/kernels/kernels.h"

namespace bitline::kernels {

inline constexpr int64_t kMax32 = 0x7FFFFFFF;

/// Greatest number that divides all others; 1 for none but zeros.
int32_t common_factor(const std::vector<int32_t>& numbers);

/// Largest |code|.
int64_t largest_code(const Converter& converter);

/// Sum of the magnitudes of the cycles' weights.
int64_t sum_of_weights(const Drive& drive);

/// Bound of |t|: vector parts turn t into 32-bit integers before they clip. No |S| exceeds `largest_sum`.
double largest_t(const Block& block, const Converter& converter, int64_t largest_sum);

}  // namespace bitline::kernels
