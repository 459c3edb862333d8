#pragma once

// Digits of any size by products, as AVX2 has them: between the plain part (digits_kernel.cpp: layout, bounds, buffers)
// and the vector part (digits_avx2.cpp). Raw pointers only; see README.md.

#include <cstddef>
#include <cstdint>

#include "core/gaussian_table.h"
#include "core/kernels/converters.h"

namespace bitline::kernels::digits {

constexpr int kTile = 16;           // columns computed together: two vectors of eight 32-bit sums
constexpr int kGroup = 4;           // digit rows computed together; a digit row is one cycle of one vector
constexpr int kLimbBits = 15;       // g = high * 2^15 + low, 0 <= low < 2^15; one limb where g fits in 16 bits
constexpr int kSquareLimbBits = 8;  // digit^2 = high * 2^8 + low, 0 <= low < 2^8

/// A strip holds one 16-bit number per (row, column) of a tile, as the instruction that multiplies and adds pairs wants
/// it: (row pairs x kTile columns x 2 rows of the pair), a missing last row as zeros.
struct Strips {
    int rows = 0, cols = 0, tiles = 0;
    int limbs = 1;
    const int16_t* g = nullptr;         // (tiles x limbs) strips
    const int16_t* variance = nullptr;  // (tiles) strips; null: none
    size_t strip_size = 0;              // numbers per strip
};

struct Digits {
    const int16_t* digits = nullptr;  // (vectors x cycles x rows)
    int vectors = 0, cycles = 0;
    int vectors_per_pass = 1;  // so many vectors' digits stay in the cache while the strips pass by
    bool sums_fit_32 = true;   // every S fits in 32 bits; 32-bit sums that wrap around on the way end right
    int chunk_rows = 0;        // else: so many rows (even) of one limb fit
};

struct Output {
    const int32_t* column_output = nullptr;  // (cols)
    const int64_t* column_weight = nullptr;  // (cols)
    const int64_t* cycle_weight = nullptr;   // (cycles), each fits in 32 bits
    int outputs = 0;
    int64_t* acc = nullptr;  // (vectors x outputs)
};

struct NoiseSource {
    bool on = false;
    float unit = 0;
    const float* own = nullptr;  // (tiles x kTile)
    uint32_t k0 = 0, k1 = 0, block = 0;
    const uint32_t* sample = nullptr;    // (vectors)
    const uint32_t* position = nullptr;  // (vectors)
    int square_limbs = 0;                // 0: every digit is 0 or 1 and its own square
    int chunk_rows = 0;                  // so many rows (even) of digit^2 limbs times variances fit in 32 bits
    int16_t* squares[2] = {};            // (vectors_per_pass x cycles x rows) scratch for each limb
};

struct DigitRange {
    int16_t smallest, largest;
};
DigitRange digit_range(const int16_t* digits, size_t count);

/// S of every digit row, out (vectors x cycles x cols).
void sums(const Strips& strips, const Digits& digits, int64_t* out);

/// As Kernel::convert. Converters are padded to (tiles x kTile), so that a column that does not exist is never clipped.
int64_t convert(const Strips& strips, const Digits& digits, const Converters& converters, const Output& output,
                const NoiseSource& noise);

/// As Kernel::bits, for whole words of 64 rows; every shift below 8.
void bits(const int32_t* codes, int words, const int* shifts, int count, int words_per_row, uint64_t* out);

/// As Kernel::gaussians.
void gaussians(uint32_t k0, uint32_t k1, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3,
               const GaussianSegment* table, size_t n, float* out);

}  // namespace bitline::kernels::digits
