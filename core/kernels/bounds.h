#pragma once

// What the plain parts of kernels must know before vector parts may compute in narrow integers. Plainly compiled files
// only.

#include <cassert>
#include <cstring>

#include "core/kernels/converters.h"
#include "core/kernels/kernels.h"

namespace bitline::kernels {

inline constexpr int64_t kMax32 = 0x7FFFFFFF;
inline constexpr int32_t kLargestVariance = 32767;  // of Block::variance

inline int round_up(int value, int to) { return (value + to - 1) / to * to; }

/// What a plain part put in front of what it laid out in block.packed.
template <class Header>
Header packed_header(const Block& block) {
    assert(block.packed.size() >= sizeof(Header) && "pack comes first");
    Header header;
    std::memcpy(&header, block.packed.data(), sizeof(Header));
    return header;
}

/// What vector parts take over as it is; the arrays are left to the caller.
Converters view_of(const Converter& converter);

/// What neighbouring values of the narrow t differ by.
double fine_step(const Converter& converter);

/// Greatest number that divides all others; 1 for none but zeros.
int32_t common_factor(const std::vector<int32_t>& numbers);

/// Largest |code|, or what codes count as.
int64_t largest_code(const Converter& converter);

/// Sum of the magnitudes of the cycles' weights.
int64_t sum_of_weights(const Drive& drive);

/// Bound of |t|: vector parts turn t into 32-bit integers before they clip. No |S| exceeds `largest_sum`.
double largest_t(const Block& block, const Converter& converter, int64_t largest_sum);

}  // namespace bitline::kernels
