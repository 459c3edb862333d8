#pragma once

// Gaussian noise by integer steps, shared by every kernel.
//
// A deviate is the sum of eight numbers out of two small tables, one for each half byte of a random word: what one
// 16-byte shuffle does for every lane at once. Each table is symmetric and chosen so that the sum of four of each is as
// close to a normal distribution as integers below 128 allow. The distribution of the sum is known exactly (a product
// of eight polynomials): tests/core/noise_test.cpp holds its moments and its tails against the normal ones.

#include <stdint.h>

// Everything here has internal linkage: files compiled for different instructions include it.

namespace bitline::kernels {

constexpr int kNoiseRounds = 7;  // of ARS

/// For the low and the high half of each byte.
constexpr int8_t kNoiseLow[16] = {-127, -89, -59, -58, -50, -23, -21, -11, 11, 21, 23, 50, 58, 59, 89, 127};
constexpr int8_t kNoiseHigh[16] = {-113, -16, -12, -11, -10, -9, -6, -2, 2, 6, 9, 10, 11, 12, 16, 113};

/// Exact moments of a deviate: four draws from each table.
static constexpr double noise_variance() {
    int squares = 0;
    for (int i = 0; i < 16; ++i) squares += kNoiseLow[i] * kNoiseLow[i] + kNoiseHigh[i] * kNoiseHigh[i];
    return squares * 4 / 16.0;
}
constexpr double kNoiseVariance = noise_variance();
constexpr int kLargestDeviate = 4 * (kNoiseLow[15] + kNoiseHigh[15]);

static constexpr int32_t noise_deviate(uint32_t word) {
    int32_t sum = 0;
    for (int byte = 0; byte < 4; ++byte, word >>= 8) sum += kNoiseLow[word & 15] + kNoiseHigh[word >> 4 & 15];
    return sum;
}

/// Root of q >= 0 within 5e-6 of it, by operations that every machine rounds alike: a guess from the bits of q and two
/// steps of Newton's method for 1 / sqrt(q).
static inline float noise_root(float q) {
    uint32_t bits;
    static_assert(sizeof bits == sizeof q);
    __builtin_memcpy(&bits, &q, sizeof q);
    bits = 0x5F3759DFu - (bits >> 1);
    float y;
    __builtin_memcpy(&y, &bits, sizeof y);
    const float half = 0.5f * q;
    for (int step = 0; step < 2; ++step) y = y * __builtin_fmaf(-(half * y), y, 1.5f);
    return q * y;
}

}  // namespace bitline::kernels
