#pragma once

// Converters as vector parts see them. Raw pointers only; see README.md.

#include <stdint.h>

namespace bitline::kernels {

/// Thresholds of converters in float32, found by the bin that t falls into. Within a binade numbers of float32 stand as
/// far apart as their bits, so t is a number of steps by a difference of integers:
///   u = bits(bound(t + anchor, lowest, highest)) - bits(lowest),  bin = u >> shift,  rest = u mod 2^shift.
/// An entry holds two thresholds of its bin, as what makes the rest carry into bit `shift` once it has reached them:
///   thresholds crossed = sum over layers of ((entry >> shift) + rest >> shift) + ((entry mod 2^shift) + rest >>
///   shift),
/// and above them, in the first layer, the number of thresholds in lower bins. Further layers hold further pairs.
struct Bins {
    const int32_t* table = nullptr;     // (converters x layers x count)
    const int32_t* of_bin = nullptr;    // (converters), thresholds of a bin, at most
    const int32_t* distinct = nullptr;  // (converters), crossed where t lies above all
    const int32_t* value_of = nullptr;  // (converters x (hi - lo + 3)), by thresholds crossed; null: lo - 1 + crossed
    int32_t count = 0, layers = 0, shift = 0;
    float lowest = 0, highest = 0;
};

/// Arrays of one number per column, or per padded column where the vector part says so; offsets include the anchor.
struct Converters {
    const float* step32 = nullptr;
    const float* offset32 = nullptr;
    const double* step64 = nullptr;
    const double* offset64 = nullptr;
    double anchor = 0;
    int32_t lo = 0, hi = 0;
    bool one_bit = false, wide = false;
    const double* threshold = nullptr;   // (converters x (hi - lo + 2)), see Transfer; null: equal steps
    const int32_t* converter = nullptr;  // (columns or padded columns)
    const int32_t* value = nullptr;      // (hi - lo + 1); null: the codes
    Bins bins;                           // where not wide
};

/// How many of `count` ascending thresholds are at most t. (Static: see lookup.h.)
static inline int32_t thresholds_crossed(const double* threshold, int32_t count, double t) {
    int32_t first = 0;
    while (count > 0) {
        const int32_t half = count / 2;
        const bool crossed = threshold[first + half] <= t;
        first = crossed ? first + half + 1 : first;
        count = crossed ? count - half - 1 : half;
    }
    return first;
}

/// What t counts as among the thresholds of column `col`, in double; counts what is clipped.
static inline int32_t convert_at_thresholds(const Converters& converters, int32_t col, double t, int& clipped) {
    const int32_t codes = converters.hi - converters.lo + 1;
    const double* const threshold = converters.threshold + int64_t(converters.converter[col]) * (codes + 1);
    const int32_t crossed = thresholds_crossed(threshold, codes + 1, t);
    const int32_t code = crossed == 0 ? 0 : crossed > codes ? codes - 1 : crossed - 1;
    clipped += code != crossed - 1;
    return converters.value ? converters.value[code] : converters.lo + code;
}

}  // namespace bitline::kernels
